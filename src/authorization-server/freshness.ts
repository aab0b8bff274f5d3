const LEAST = 60
const MOST = 24 * 60 * 60
const WITHOUT_A_WORD = 5 * 60

/** For how many seconds a document may be kept, as its server says (RFC 9111 4.2.1), within a minute and a day. */
export function freshSeconds(headers: Headers, now: Date): number {
  const cacheControl = headers.get('cache-control') ?? ''
  const expires = Date.parse(headers.get('expires') ?? '')
  return Math.min(MOST, Math.max(LEAST, said(cacheControl, expires, now) ?? WITHOUT_A_WORD))
}

function said(cacheControl: string, expires: number, now: Date): number | undefined {
  if (/(^|,)\s*no-(store|cache)\b/i.test(cacheControl)) return 0
  const maxAge = /(?:^|,)\s*max-age\s*=\s*"?(\d+)/i.exec(cacheControl)?.[1]
  if (maxAge !== undefined) return Number(maxAge)
  return Number.isNaN(expires) ? undefined : (expires - now.getTime()) / 1000
}
