import { inspect } from 'node:util'
import { type CryptoKey, decodeJwt, decodeProtectedHeader, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { authorizationRequest, authorize, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { formsOfKey, respellings, WRONG_ALGS } from '../fixtures/jws.ts'
import { keysOf, part, signAs } from '../fixtures/keys.ts'
import { makePerson } from '../fixtures/people.ts'
import { clientPost, withQuery } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)
const client = await makeClient(server)
const { redeem, browser } = await authorize(server, client, person)
const tokens = await redeem()
const idToken = tokens.id_token ?? ''
const claims = decodeJwt(idToken)
const { keys: published } = (await (await server.fetch('/oauth/jwks')).json()) as { keys: (JWK & { kid: string })[] }

/** Signs with the key that signs ID tokens. */
async function sign(payload: unknown, header: object = {}): Promise<string> {
  const { kid } = decodeProtectedHeader(idToken)
  const jwk = (await keysOf(server)).privateJwks('authorization_server').find((key) => key.kid === kid)
  const key = (await importJWK(jwk as JWK, 'RS256')) as CryptoKey
  const text = `${part({ alg: 'RS256', kid, ...header })}.${part(payload)}`
  const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', key, Buffer.from(text))
  return `${text}.${Buffer.from(signature).toString('base64url')}`
}

const atLogout = async (hint: string) =>
  (await server.fetch(withQuery('/oauth/logout', { id_token_hint: hint }))).status

/** What an authorization request is told, which needs neither a page nor a redirect to be refused. */
async function atAuthorize(hint: string): Promise<string> {
  const { url } = await authorizationRequest(client, { id_token_hint: hint, prompt: 'none' })
  const response = await browser.request(url)
  const location = response.headers.get('location')
  return location === null ? String(response.status) : (new URL(location).searchParams.get('error') ?? 'none')
}

async function isRefused(t: Test, hint: string, name: string): Promise<void> {
  t.equal(await atLogout(hint), 400, name)
  t.match(await atAuthorize(hint), /^(400|invalid_request)$/, `${name}, at the authorization endpoint`)
}

t.test('the forgeries that follow differ from a good one in one thing', async (t) => {
  for (const hint of [idToken, await sign(claims), await sign({ ...claims, exp: 1 })]) {
    t.equal(await atLogout(hint), 200)
    t.not(await atAuthorize(hint), 'invalid_request')
  }
})

t.test('unsigned, or signed by another key (RFC 8725 3.1, 3.2)', async (t) => {
  const body = part(claims)
  const header = decodeProtectedHeader(idToken)
  for (const alg of [...WRONG_ALGS, 'ES256', 'PS256', 'RS512']) {
    await isRefused(t, `${part({ ...header, alg })}.${body}.`, `alg ${alg}`)
    await isRefused(t, `${part({ ...header, alg })}.${body}.${idToken.split('.')[2]}`, `alg ${alg}, with a signature`)
  }
  for (const jwk of published) {
    for (const [form, secret] of await formsOfKey(jwk)) {
      const forged = new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: jwk.kid })
      await isRefused(t, await forged.sign(Buffer.from(secret)), `HS256 with the key of ${jwk.alg}, ${form}`)
    }
  }
  await isRefused(t, await signAs(server, claims, {}), 'the key of access tokens')
  await isRefused(t, await signAs(server, claims, {}, 'first_party'), 'the first-party key')
  const { privateKey } = await generateKeyPair('RS256')
  await isRefused(t, await new SignJWT(claims).setProtectedHeader({ alg: 'RS256' }).sign(privateKey), 'a stranger')
})

t.test('other claims (OpenID Connect Core 3.1.2.1, RP-Initiated Logout 1.0, 2)', async (t) => {
  const other = await makeClient(server)
  const changes: Record<string, unknown>[] = [
    ...['https://other.example', `${server.url}/`, '', null, undefined, 1, []].map((iss) => ({ iss })),
    ...['client_unknown', '\0', "' or ''='", `${server.url}/api`, [], {}, 1, '', null, undefined].map((aud) => ({
      aud,
    })),
    ...[undefined, null, 1, [person.id]].map((sub) => ({ sub })),
    ...[`${claims.iat}`, null, []].map((iat) => ({ iat })),
    ...[Math.floor(Date.now() / 1000) + 3600, '0', null].map((nbf) => ({ nbf })),
  ]
  for (const change of changes) await isRefused(t, await sign({ ...claims, ...change }), inspect(change))
  t.match(await atAuthorize(await sign({ ...claims, aud: other.id })), /^(400|invalid_request)$/, 'another client')
  for (const payload of ['text', 1, null, [claims]]) await isRefused(t, await sign(payload), inspect(payload))
})

t.test('another type of token (RFC 8725 3.11, 3.12)', async (t) => {
  for (const typ of [
    'at+jwt',
    'application/at+jwt',
    'logout+jwt',
    'first-party+jwt',
    'audit-checkpoint',
    'secevent+jwt',
  ]) {
    await isRefused(t, await sign(claims, { typ }), typ)
  }
  await isRefused(t, await sign(claims, { crit: ['x'], x: 1 }), 'what it must not overlook (RFC 7515 4.1.11)')
})

t.test('another spelling (RFC 7515 2, RFC 8725bis 3.14)', async (t) => {
  for (const [name, hint] of Object.entries(respellings(idToken))) await isRefused(t, hint, name)
})

t.test(
  'an access token in another spelling is none to introspection, and not revoked (RFC 8725bis 3.14)',
  async (t) => {
    const { access_token: token } = tokens
    const ask = async (path: string, token: string) => {
      const response = await clientPost(server, path, client, { token })
      return { status: response.status, body: await response.text() }
    }
    t.match(JSON.parse((await ask('/oauth/introspect', token)).body), { active: true })
    for (const [name, other] of Object.entries(respellings(token))) {
      const asked = await ask('/oauth/introspect', other)
      t.equal(asked.status, 200, name)
      t.same(JSON.parse(asked.body), { active: false }, name)
      t.equal((await ask('/oauth/revoke', other)).status, 200, name)
    }
    t.match(JSON.parse((await ask('/oauth/introspect', token)).body), { active: true }, 'it is as good as before')
    await ask('/oauth/revoke', token)
    t.match(JSON.parse((await ask('/oauth/introspect', token)).body), { active: false })
  },
)
