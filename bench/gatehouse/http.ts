/** An answer that is not the one that was needed to go on. */
class UnexpectedAnswer extends Error {
  override readonly name = 'UnexpectedAnswer'
}

/** The JSON of an answer that must be a success. */
export async function json<T>(answer: Promise<Response>): Promise<T> {
  const response = await answer
  if (!response.ok) throw new UnexpectedAnswer(`${response.url}: ${response.status} ${await response.text()}`)
  return (await response.json()) as T
}

/** A request with a JSON body. */
export function postJson<T>(url: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
  return json<T>(
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    }),
  )
}

/** A request with a form, as the endpoints of OAuth take it. */
export function postForm<T>(url: string, form: Record<string, string>, headers: Record<string, string> = {}) {
  return json<T>(fetch(url, { method: 'POST', body: new URLSearchParams(form), headers }))
}

/** A Bearer credential (RFC 6750 2.1). */
export const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** A confidential client's credentials (RFC 6749 2.3.1). */
export const basic = ({ id, secret }: { id: string; secret: string }) => ({
  authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
})

export const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
export const JSON_BODY = { 'content-type': 'application/json' }
