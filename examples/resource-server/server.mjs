import { createServer } from 'node:http'
import { inflateSync } from 'node:zlib'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { ISSUER = 'http://localhost:3000', RESOURCE = 'http://localhost:4000/orders', PORT = '4000' } = process.env
const SCOPES = { GET: 'orders:read', POST: 'orders:write' }
const METADATA = '/.well-known/oauth-protected-resource/orders'
const keys = createRemoteJWKSet(new URL(`${ISSUER}/oauth/jwks`))
const signed = { issuer: ISSUER, algorithms: ['ES256'], requiredClaims: ['exp', 'iat', 'sub'] }

/** Status lists by URL: each is asked for again when the last time was a second ago, and not believed beyond that. */
const lists = new Map()
function statusList(uri) {
  const kept = lists.get(uri)
  if (kept !== undefined && performance.now() - kept.askedAt < 1000) return kept.bits
  const bits = fetchList(uri)
  lists.set(uri, { askedAt: performance.now(), bits })
  return bits
}

async function fetchList(uri) {
  const headers = { accept: 'application/statuslist+jwt' }
  const response = await fetch(uri, { headers, redirect: 'error', signal: AbortSignal.timeout(1000) })
  if (response.status !== 200) throw new Error(`the status list answers ${response.status}`)
  const { payload } = await jwtVerify(await response.text(), keys, { ...signed, typ: 'statuslist+jwt', subject: uri })
  if (payload.status_list.bits !== 1) throw new Error('the status list has more than a bit for a token')
  return inflateSync(Buffer.from(payload.status_list.lst, 'base64url'), { maxOutputLength: 2 ** 20 })
}

async function verify(token) {
  const { payload } = await jwtVerify(token, keys, { ...signed, typ: 'at+jwt', audience: RESOURCE })
  const { idx, uri } = payload.status?.status_list ?? {}
  if (payload.cnf !== undefined) throw new Error('bound to a key, whose proof nobody checks here')
  if (!Number.isSafeInteger(idx) || idx < 0 || !String(uri).startsWith(`${ISSUER}/oauth/status-lists/`)) throw new Error('no status')
  const byte = (await statusList(uri))[idx >> 3]
  if (byte === undefined || (byte >> (idx & 7)) & 1) throw new Error('revoked')
  return payload
}

createServer(async (request, response) => {
  const answer = (status, body, headers) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
  if (request.url === METADATA) return answer(200, { resource: RESOURCE, authorization_servers: [ISSUER] })
  const refuse = (status, challenge) =>
    answer(status, { status }, { 'www-authenticate': `Bearer resource_metadata="${new URL(METADATA, RESOURCE)}"${challenge}` })
  const scope = SCOPES[request.method] ?? 'orders:write'
  const token = /^Bearer ([\w.~+/-]+=*)$/i.exec(request.headers.authorization ?? '')?.[1]
  if (token === undefined) return refuse(401, `, scope="${scope}"`)
  const claims = await verify(token).catch((error) => console.error(error.message))
  if (claims === undefined) return refuse(401, ', error="invalid_token"')
  if (!claims.scope?.split(' ').includes(scope)) return refuse(403, `, error="insufficient_scope", scope="${scope}"`)
  answer(200, { orders: [], for: claims.sub, by: claims.client_id })
}).listen(Number(PORT), '127.0.0.1')
