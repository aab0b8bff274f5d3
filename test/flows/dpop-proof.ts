import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { exportJWK, SignJWT } from 'jose'
import t from 'tap'
import { deleteClient } from '../../src/clients/clients.ts'
import { revokeAccessToken } from '../../src/credentials/access-token-state.ts'
import { makeClient, type RelyingParty } from '../fixtures/clients.ts'
import { type DpopKey, dpopHeaders, makeDpopKey, makeProof, type ProofParts } from '../fixtures/dpop.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { respellings } from '../fixtures/jws.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'
import { countQueries } from '../fixtures/queries.ts'
import { basic, rawRequest } from '../fixtures/wire.ts'

/** RFC 9449 4.3, check by check, at the API, the token endpoint and userinfo. */
const server = await startGatehouse(t)
const key = await makeDpopKey()
const thief = await makeDpopKey()
const machine = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
const opaque = await makeClient(server, { type: 'machine', scope: ['profile:read'], accessTokenFormat: 'opaque' })
const TOKEN_URL = `${server.url}/oauth/token`

async function askToken(client: RelyingParty, dpop?: string): Promise<Response> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', scope: 'profile:read' })
  const headers = { ...basic(client), ...(dpop === undefined ? {} : { dpop }) }
  return server.fetch('/oauth/token', { method: 'POST', body, headers })
}
async function tokenOf(client: RelyingParty, proof?: string): Promise<string> {
  return ((await (await askToken(client, proof)).json()) as { access_token: string }).access_token
}
const proofForToken = (of: DpopKey, parts: ProofParts = {}) => makeProof(of, { method: 'POST', url: TOKEN_URL }, parts)
const jwt = await tokenOf(machine, await proofForToken(key))
const random = await tokenOf(opaque, await proofForToken(key))
const TOKENS = { jwt, opaque: random }
const unbound = { jwt: await tokenOf(machine), opaque: await tokenOf(opaque) }
const me = (headers: Record<string, string>) => server.fetch('/api/me', { headers })
const now = () => Math.floor(Date.now() / 1000)

/** Proofs that each fail one check. */
const BAD: Record<string, ProofParts> = {
  'no typ (C4)': { header: { typ: undefined } },
  'the type of a JWT (C4)': { header: { typ: 'JWT' } },
  'no key (C2)': { header: { jwk: undefined } },
  'a private key (C7)': { header: { jwk: await exportJWK(key.privateKey) } },
  'a symmetric key (C7)': { header: { jwk: { kty: 'oct', k: 'AAAA' } } },
  'a key that is no object (C7)': { header: { jwk: 'x' } },
  'a key off the curve (RFC 8725 3.4)': { header: { jwk: { ...key.jwk, x: key.jwk.y, y: key.jwk.x } } },
  'another key than the one that signed (C6)': { header: { jwk: thief.jwk } },
  'a critical extension nobody knows (RFC 7515 4.1.11)': { header: { crit: ['new'], new: 1 } },
  'no jti (C3)': { claims: { jti: undefined } },
  'an empty jti (C3)': { claims: { jti: '' } },
  'a jti that is no text (C3)': { claims: { jti: 7 } },
  'no htm (C8)': { claims: { htm: undefined } },
  'another method (C8)': { claims: { htm: 'PUT' } },
  'the method in lower case (C8)': { claims: { htm: 'get' } },
  'no htu (C9)': { claims: { htu: undefined } },
  'another path (C9)': { claims: { htu: `${server.url}/api/keys` } },
  'another host (C9)': { claims: { htu: 'https://evil.example/api/me' } },
  'a path alone (C9)': { claims: { htu: '/api/me' } },
  'no iat (C11)': { claims: { iat: undefined } },
  'an iat that is no number (C11)': { claims: { iat: String(now()) } },
  'too old (C11)': { claims: { iat: now() - 330 } },
  'from the future (C11)': { claims: { iat: now() + 330 } },
  'over (RFC 7519 4.1.4)': { claims: { exp: now() - 60 } },
  'a nonce nobody gave (C10)': { claims: { nonce: 'x'.repeat(43) } },
}
const OF_THE_TOKEN: Record<string, ProofParts> = {
  'no ath (C12)': { claims: { ath: undefined } },
  'the ath of another token (C12)': { claims: { ath: 'x'.repeat(43) } },
  'the token itself as ath (C12)': { claims: { ath: jwt } },
}

t.test('the API takes no proof that fails a check (RFC 9449 4.3)', async (t) => {
  for (const [format, token] of Object.entries(TOKENS)) {
    t.equal((await me(await dpopHeaders(server, key, token))).status, 200, format)
    for (const [name, parts] of Object.entries({ ...BAD, ...OF_THE_TOKEN })) {
      const refused = await me(await dpopHeaders(server, key, token, parts))
      t.equal(refused.status, 401, `${format}: ${name}`)
      t.match(
        refused.headers.get('www-authenticate'),
        /^DPoP error="(invalid_dpop_proof|use_dpop_nonce|invalid_token)"/,
      )
      t.notMatch(await refused.text(), /jti|htu|ath\b/, 'nor tells which')
    }
    t.equal((await me(await dpopHeaders(server, key, token))).status, 200, `${format}: a good one after them`)
  }
})

t.test('nor do the token endpoint and userinfo (RFC 9449 4.3, 5)', async (t) => {
  for (const [name, parts] of Object.entries(BAD)) {
    const claims = parts.claims?.htm === 'get' ? { htm: 'post' } : parts.claims
    const refused = await askToken(machine, await proofForToken(key, { ...parts, ...(claims && { claims }) }))
    t.equal(refused.status, 400, name)
    t.match(await refused.json(), { error: /^(invalid_dpop_proof|use_dpop_nonce)$/ })
  }
  const url = `${server.url}/oauth/userinfo`
  for (const [name, parts] of Object.entries({ ...BAD, ...OF_THE_TOKEN })) {
    const dpop = await makeProof(key, { url, token: random }, parts)
    const refused = await server.fetch('/oauth/userinfo', { headers: { authorization: `DPoP ${random}`, dpop } })
    t.equal(refused.status, 401, name)
  }
})

t.test('a proof has one spelling and comes alone (RFC 9449 4.3, RFC 8725 3.14)', async (t) => {
  const { authorization, dpop } = await dpopHeaders(server, key, jwt)
  for (const [name, spelling] of Object.entries(respellings(dpop))) {
    // A header's value is trimmed before anybody sees it, and holds no other control or wide character.
    if (spelling.trim() === dpop || /[^\x20-\x7e]/.test(spelling)) continue
    t.equal((await me({ authorization, dpop: spelling })).status, 401, name)
  }
  const second = (await dpopHeaders(server, key, jwt)).dpop
  const twice = await rawRequest(server, '/api/me', { headers: { authorization, dpop: [dpop, second] } })
  t.equal(twice.status, 401, 'two headers')
  t.equal((await me({ authorization, dpop: `${dpop}, ${second}` })).status, 401, 'two in one')
  t.equal((await me({ authorization, dpop: '' })).status, 401, 'an empty one')
  t.equal((await me({ authorization })).status, 401, 'none')
  t.equal((await me({ authorization, dpop })).status, 200, 'and none of them used it up')
  t.equal((await me({ authorization, dpop })).status, 401, 'as its use does')
})

t.test('an unsigned, symmetric or weakly signed proof is none (RFC 9449 4.3, RFC 8725 3.1)', async (t) => {
  const { authorization, dpop } = await dpopHeaders(server, key, jwt)
  const [, payload = '', signature = ''] = dpop.split('.')
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  for (const alg of ['none', 'HS256', 'ES384', 'RS256', '', null]) {
    const header = part({ alg, typ: 'dpop+jwt', jwk: key.jwk })
    t.equal((await me({ authorization, dpop: `${header}.${payload}.${signature}` })).status, 401, String(alg))
  }
  const secret = Buffer.from(JSON.stringify(key.jwk))
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const confused = await new SignJWT({ ...claims, jti: randomUUID() })
    .setProtectedHeader({ alg: 'HS256', typ: 'dpop+jwt', jwk: key.jwk })
    .sign(secret)
  t.equal((await me({ authorization, dpop: confused })).status, 401, 'the public key as secret')
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const rsa = await new SignJWT({ ...claims, jti: randomUUID() })
    .setProtectedHeader({ alg: 'RS256', typ: 'dpop+jwt', jwk: key.jwk })
    .sign(privateKey)
  t.equal((await me({ authorization, dpop: rsa })).status, 401)
})

t.test('a bound token is its holder’s, whoever else has a key (RFC 9449 7.1)', async (t) => {
  for (const [format, token] of Object.entries(TOKENS)) {
    const stolen = await me(await dpopHeaders(server, thief, token))
    t.equal(stolen.status, 401, format)
    t.match(stolen.headers.get('www-authenticate'), /^DPoP error="invalid_token"/)
    const posed = await dpopHeaders(server, { ...thief, jwk: key.jwk }, token)
    t.equal((await me(posed)).status, 401, 'with the key of its holder in the header')
    const asBearer = await me(bearer(token))
    t.equal(asBearer.status, 401)
    t.match(asBearer.headers.get('www-authenticate'), /^DPoP error="invalid_token"/)
    const { dpop } = await dpopHeaders(server, key, token)
    t.equal((await me({ ...bearer(token), dpop })).status, 401, 'as Bearer beside its proof (RFC 9449 7.2)')
  }
})

t.test('what is bound to nothing does not come by DPoP (RFC 9449 7.1)', async (t) => {
  const person = await makePerson(server)
  const { accessToken } = await signIn(server, person)
  const { apiKey } = await makeKey(server, person)
  for (const [name, token] of Object.entries({
    ...unbound,
    session: accessToken,
    key: apiKey,
    unknown: 'x'.repeat(43),
  })) {
    for (const headers of [await dpopHeaders(server, key, token), { authorization: `DPoP ${token}` }]) {
      const refused = await me(headers)
      t.equal(refused.status, 401, name)
      t.match(refused.headers.get('www-authenticate'), /^DPoP error="invalid_token"/)
    }
  }
  for (const token of Object.values(unbound)) t.equal((await me(bearer(token))).status, 200)
  for (const value of ['DPoP', 'DPoP ', `DPoP ${jwt} ${jwt}`, 'DPoP "x"'])
    t.equal((await rawRequest(server, '/api/me', { headers: { authorization: value } })).status, 400, value.slice(0, 9))
  const { authorization, dpop } = await dpopHeaders(server, key, jwt)
  t.equal(
    (await me({ authorization: authorization.replace('DPoP', 'dPoP'), dpop })).status,
    200,
    'in any case (RFC 9110 11.1)',
  )
})

t.test(
  'the URL is the issuer’s, whatever Host says, in its normal form and without its query (RFC 9449 4.3)',
  async (t) => {
    const evil = {
      ...(await dpopHeaders(server, key, jwt, { claims: { htu: 'http://evil.example/api/me' } })),
      host: 'evil.example',
    }
    t.equal((await rawRequest(server, '/api/me', { headers: evil })).status, 401)
    const good = { ...(await dpopHeaders(server, key, jwt)), host: 'evil.example' }
    t.equal((await rawRequest(server, '/api/me', { headers: good })).status, 200)
    const port = new URL(server.url).port
    for (const htu of [`HTTP://LOCALHOST:${port}/api/me`, `${server.url}/api/./me`, `${server.url}/api/me?a=b#c`]) {
      t.equal((await me(await dpopHeaders(server, key, jwt, { claims: { htu } }))).status, 200, htu)
    }
    const headers = await dpopHeaders(server, key, jwt)
    t.equal((await server.fetch('/api/me?a=b', { headers })).status, 200)
    const posted = await dpopHeaders(server, key, jwt, { path: '/api/auth/logout' })
    t.equal((await server.post('/api/auth/logout', {}, posted)).status, 401, 'a proof for GET')
  },
)

t.test('a remembered token is proven again each time, by one statement; a revoked one by none', async (t) => {
  for (const [client, format] of [
    [machine, 'jwt'],
    [opaque, 'opaque'],
  ] as const) {
    const token = await tokenOf(client, await proofForToken(key))
    t.equal((await me(await dpopHeaders(server, key, token))).status, 200)
    const headers = await dpopHeaders(server, key, token)
    t.equal(await countQueries(server, async () => void (await me(headers))), 1, format)
    t.equal((await me(headers)).status, 401)
    t.equal((await me(bearer(token))).status, 401)
  }
  const { jti, exp } = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString())
  await revokeAccessToken(server.db, jti, new Date(exp * 1000), new Date())
  await deleteClient(server.db, opaque.id, new Date())
  for (const [format, token] of Object.entries(TOKENS))
    t.equal((await me(await dpopHeaders(server, key, token))).status, 401, `${format}, revoked`)
})
