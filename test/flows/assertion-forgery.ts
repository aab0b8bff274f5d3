import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { inspect } from 'node:util'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { formsOfKey, respellings, WRONG_ALGS } from '../fixtures/jws.ts'
import { makeKeyedClient } from '../fixtures/keyed-client.ts'
import { part, signAs } from '../fixtures/keys.ts'

const server = await startGatehouse(t)
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const { id: keyed, privateKey, jwk: publicJwk } = await makeKeyedClient(server)
const HEADER = { alg: 'ES256', kid: 'k' }
const now = Math.floor(Date.now() / 1000)
const claims = (changes: Record<string, unknown> = {}) => ({
  ...{ iss: keyed, sub: keyed, aud: server.url, jti: randomUUID(), iat: now, exp: now + 300 },
  ...changes,
})

/** Signs any text as the client does. */
async function signText(text: string): Promise<string> {
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, Buffer.from(text))
  return `${text}.${Buffer.from(signature).toString('base64url')}`
}
const sign = (payload: unknown, header: object = {}) => signText(`${part({ ...HEADER, ...header })}.${part(payload)}`)

const ENDPOINTS: Record<string, Record<string, string>> = {
  '/oauth/introspect': { token: 'unknown' },
  '/oauth/revoke': { token: 'unknown' },
  '/oauth/token': { grant_type: 'refresh_token', refresh_token: 'unknown' },
}

async function present(assertion: string, path = '/oauth/introspect') {
  const body = new URLSearchParams({
    ...ENDPOINTS[path],
    client_id: keyed,
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: assertion,
  })
  const response = await server.fetch(path, { method: 'POST', body })
  const text = await response.text()
  return { status: response.status, error: text === '' ? undefined : (JSON.parse(text) as { error?: string }).error }
}

async function isRefused(t: Test, assertion: string, name: string): Promise<void> {
  const { status, error } = await present(assertion)
  t.ok(status === 401 || status === 400, `${name}: ${status}`)
  t.match(error, /^invalid_(client|request)$/)
}

t.test('the forgeries that follow differ from a good one in one thing, which is taken everywhere', async (t) => {
  for (const [path, good] of Object.entries({ '/oauth/introspect': 200, '/oauth/revoke': 200, '/oauth/token': 400 })) {
    const { status, error } = await present(await sign(claims()), path)
    t.equal(status, good, path)
    t.equal(error, good === 400 ? 'invalid_grant' : undefined)
    t.equal((await present(await sign(claims({ aud: 'https://other.example' })), path)).status, 401)
  }
  for (const typ of ['JWT', 'jwt', 'client-authentication+jwt', 'application/client-authentication+jwt']) {
    t.equal((await present(await sign(claims(), { typ }))).status, 200, typ)
  }
})

t.test('another type of token, though the client signed it (RFC 8725 3.11, 3.12)', async (t) => {
  for (const typ of [
    'at+jwt',
    'dpop+jwt',
    'logout+jwt',
    'oauth-authz-req+jwt',
    'first-party+jwt',
    'secevent+jwt',
    '',
    1,
    null,
  ]) {
    await isRefused(t, await sign(claims(), { typ }), `typ ${typ}`)
  }
  await isRefused(t, await sign(claims(), { crit: ['x'], x: 1 }), 'what it must not overlook (RFC 7515 4.1.11)')
  await isRefused(t, await sign(claims(), { b64: false, crit: ['b64'] }), 'an unencoded payload (RFC 7797)')
})

t.test('what the server itself signed is no assertion of a client', async (t) => {
  for (const header of [HEADER, {}]) await isRefused(t, await signAs(server, claims(), header), 'an access token key')
  await isRefused(t, await signAs(server, claims(), {}, 'first_party'), 'the first-party key')
})

t.test('unsigned, or signed by what is public (RFC 8725 2.1, 3.2)', async (t) => {
  const body = part(claims())
  for (const alg of [...WRONG_ALGS, 'RS256', 'PS256']) {
    await isRefused(t, `${part({ ...HEADER, alg })}.${body}.`, `alg ${alg}`)
    await isRefused(t, await signText(`${part({ ...HEADER, alg })}.${part(claims())}`), `alg ${alg}, with a signature`)
  }
  for (const [form, secret] of [...(await formsOfKey(publicJwk)), ['the identifier', keyed] as const]) {
    const forged = new SignJWT(claims()).setProtectedHeader({ ...HEADER, alg: 'HS256' })
    await isRefused(t, await forged.sign(Buffer.from(secret)), `HS256, ${form}`)
  }
})

t.test('other claims (RFC 7523 3)', async (t) => {
  const other = await makeClient(server)
  const changes: Record<string, unknown>[] = [
    ...['https://other.example', `${server.url}/`, keyed, [], [''], [1], {}, '', null, undefined].map((aud) => ({
      aud,
    })),
    ...[other.id, 'client_unknown', [keyed], '', null, undefined].map((iss) => ({ iss })),
    ...[other.id, 'client_unknown', [keyed], '', null, undefined].map((sub) => ({ sub })),
    ...[
      now - 60,
      0,
      -1,
      -1e308,
      1e308,
      Number.MAX_SAFE_INTEGER,
      now + 365 * 86_400,
      `${now + 60}`,
      true,
      [],
      null,
      undefined,
    ].map((exp) => ({ exp })),
    ...[now + 3600, `${now - 60}`, null].map((nbf) => ({ nbf })),
    ...[`${now}`, null].map((iat) => ({ iat })),
    ...[1, [], {}, '', null, undefined].map((jti) => ({ jti })),
  ]
  for (const change of changes) await isRefused(t, await sign(claims(change)), inspect(change))
  for (const payload of ['text', 1, null, [claims()]]) await isRefused(t, await sign(payload), inspect(payload))
})

t.test('an odd name is a name', async (t) => {
  for (const jti of ["' or 1=1 --", '\0', '\u{1f511}', 'x'.repeat(10_000), '__proto__']) {
    const { status } = await present(await sign(claims({ jti })))
    t.ok([200, 400, 401].includes(status), `${inspect(jti).slice(0, 20)}: ${status}`)
  }
})

t.test('a hostile kid, or a key of its own, which nobody fetches (RFC 8725 3.10, ASVS V9.1.3)', async (t) => {
  let hits = 0
  const listener = createServer((_request, response) => {
    hits += 1
    response.end('{"keys":[]}')
  }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => listener.close())
  const url = `http://127.0.0.1:${(listener.address() as { port: number }).port}/jwks`
  const stranger = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(stranger.publicKey)
  for (const own of [{ jwk }, { jku: url }, { x5u: url }, { x5c: ['MIIB'] }, { jku: url, kid: 'own' }, { kid: url }]) {
    const forged = new SignJWT(claims()).setProtectedHeader({ ...HEADER, ...own })
    await isRefused(t, await forged.sign(stranger.privateKey), Object.keys(own).join())
  }
  t.equal(hits, 0)
  const hostile = ["' or 1=1 --", '../../../../dev/null', 'x'.repeat(10_000), '\0', '__proto__', '', 0, [], {}, null]
  for (const kid of hostile) {
    const { status } = await present(await sign(claims(), { kid }))
    t.ok([200, 400, 401].includes(status), `${inspect(kid).slice(0, 20)}: ${status}`)
  }
})

t.test('another spelling (RFC 7515 2, RFC 8725bis 3.14)', async (t) => {
  const good = await sign(claims())
  for (const [name, token] of Object.entries(respellings(good))) await isRefused(t, token, name)
  t.equal((await present(good)).status, 200, 'which none of them used up')
})
