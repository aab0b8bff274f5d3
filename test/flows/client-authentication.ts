import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWTHeaderParameters, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import * as openid from 'openid-client'
import t, { type Test } from 'tap'
import { Browser } from '../fixtures/browser.ts'
import {
  authorizationRequest,
  authorize,
  makeClient,
  passPages,
  REDIRECT_URI,
  type RelyingParty,
} from '../fixtures/clients.ts'
import { whileFailing } from '../fixtures/fault.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { basic, postAtOnce, register } from '../fixtures/wire.ts'

const env = { CLIENT_REGISTRATION: 'open' }
const server = await startGatehouse(t, { env })
const person = await makePerson(server)
const client = await makeClient(server)
const publicClient = await makeClient(server, { type: 'spa' })

/** A request of a client; who is authenticated is told `active: false`, since nobody has this token. */
function ask(parameters: Record<string, string>, headers: Record<string, string> = {}) {
  const body = new URLSearchParams({ token: 'unknown', ...parameters })
  return server.fetch('/oauth/introspect', { method: 'POST', body, headers })
}

async function isRefused(t: Test, response: Response, status: number, error: string, message: string) {
  t.equal(response.status, status, message)
  t.match(await response.json(), { error })
}

const posted = ({ id, secret = '' }: Pick<RelyingParty, 'id' | 'secret'>) => ({ client_id: id, client_secret: secret })

t.test('a secret is taken from the header or the body (RFC 6749 2.3.1)', async (t) => {
  for (const response of [await ask({}, basic(client)), await ask(posted(client))]) {
    t.equal(response.status, 200)
    t.same(await response.json(), { active: false })
  }
  for (const method of ['client_secret_basic', 'client_secret_post']) {
    const metadata = { redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: method }
    const registered = (await (await register(server, metadata)).json()) as { client_id: string; client_secret: string }
    t.equal((await ask({ client_id: registered.client_id, client_secret: registered.client_secret })).status, 200)
    t.equal((await ask({}, basic({ id: registered.client_id, secret: registered.client_secret }))).status, 200, method)
  }
})

t.test('who does not prove to be a client is refused (ASVS V10.4.10)', async (t) => {
  const other = await makeClient(server)
  const wrong = { ...client, secret: 'wrong' }
  const refusals: [string, Promise<Response>][] = [
    ['wrong secret, Basic', ask({}, basic(wrong))],
    ['wrong secret, body', ask(posted(wrong))],
    ['another client’s secret', ask({}, basic({ ...client, secret: other.secret }))],
    ['its secret, longer', ask(posted({ ...client, secret: `${client.secret}x` }))],
    ['its secret, shorter', ask(posted({ ...client, secret: client.secret?.slice(0, -1) }))],
    ['no secret', ask({ client_id: client.id })],
    ['an unknown client', ask({}, basic({ id: 'client_unknown', secret: 'x' }))],
    ['a NUL in the name', ask(posted({ id: `${client.id}\0`, secret: client.secret }))],
    ['SQL in the name', ask(posted({ id: `' or ''='`, secret: client.secret }))],
    ['a public client with a secret', ask(posted({ id: publicClient.id, secret: 'x' }))],
    ['a public client with a secret, Basic', ask({}, basic({ id: publicClient.id, secret: 'x' }))],
  ]
  for (const [message, response] of refusals) await isRefused(t, await response, 401, 'invalid_client', message)
  for (const path of ['/oauth/token', '/oauth/revoke']) {
    const form = { grant_type: 'refresh_token', refresh_token: 'unknown', token: 'unknown' }
    const named = { client_id: client.id }
    for (const [body, headers] of [
      [named, {}],
      [posted(wrong), {}],
      [{}, basic(wrong)],
      [posted({ ...publicClient, secret: 'x' }), {}],
    ] as const) {
      const response = await server.fetch(path, {
        method: 'POST',
        body: new URLSearchParams({ ...form, ...body }),
        headers,
      })
      await isRefused(t, response, 401, 'invalid_client', path)
    }
  }
  const challenge = (await ask({}, basic(wrong))).headers.get('www-authenticate')
  t.match(challenge, /^Basic realm=/, 'RFC 6749 5.2')
})

t.test('a request that says two things of its client, or nothing, is refused (OAuth 2.1 2.4)', async (t) => {
  const assertion = { client_assertion_type: ASSERTION_TYPE, client_assertion: 'a.b.c' }
  const bad: [string, Promise<Response>][] = [
    ['nothing', ask({})],
    ['Basic and body', ask(posted(client), basic(client))],
    ['Basic and assertion', ask(assertion, basic(client))],
    ['body and assertion', ask({ ...posted(client), ...assertion })],
    ['Basic and another name', ask({ client_id: publicClient.id }, basic(client))],
    ['Basic without a secret', ask({}, basic({ ...client, secret: '' }))],
    ['another scheme', ask({}, { authorization: `Bearer ${client.secret}` })],
    ['Basic that is not base64', ask({}, { authorization: 'Basic !!!' })],
    ['Basic that is not encoded', ask({}, basic({ ...client, secret: '%zz' }))],
  ]
  for (const [message, response] of bad) await isRefused(t, await response, 400, 'invalid_request', message)
})

t.test('a secret in the query is no secret (OAuth 2.1 2.4.1)', async (t) => {
  const query = new URLSearchParams(posted(client))
  for (const path of ['/oauth/token', '/oauth/introspect', '/oauth/revoke']) {
    const body = new URLSearchParams({ grant_type: 'client_credentials', token: 'x' })
    const response = await server.fetch(`${path}?${query}`, { method: 'POST', body })
    await isRefused(t, response, 400, 'invalid_request', path)
  }
})

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
const registered = await register(server, {
  redirect_uris: [REDIRECT_URI],
  token_endpoint_auth_method: 'private_key_jwt',
  jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' }] },
})
const { client_id: keyed, client_secret: none } = (await registered.json()) as Record<string, string>

const claims = (changes: JWTPayload = {}) => {
  const now = Math.floor(Date.now() / 1000)
  return { iss: keyed, sub: keyed, aud: server.url, jti: randomUUID(), iat: now, exp: now + 60, ...changes }
}
const sign = (payload: JWTPayload, header: JWTHeaderParameters = { alg: 'ES256', kid: 'k' }, key = privateKey) =>
  new SignJWT(payload).setProtectedHeader(header).sign(key)
const asserted = (jwt: string) => ({ client_assertion_type: ASSERTION_TYPE, client_assertion: jwt })

t.test('a client may authenticate with its key (RFC 7523 3, OpenID Connect Core 9)', async (t) => {
  t.equal(none, undefined, 'and then has no secret')
  const configuration = await openid.discovery(
    new URL(server.url),
    keyed ?? '',
    undefined,
    openid.PrivateKeyJwt(privateKey),
    {
      execute: [openid.allowInsecureRequests],
    },
  )
  const party = { id: keyed ?? '', secret: undefined, redirectUri: REDIRECT_URI, configuration }
  const { redeem } = await authorize(server, party, person)
  t.equal((await redeem()).claims()?.sub, person.id)
  t.equal((await ask(asserted(await sign(claims())))).status, 200)
  t.equal((await ask(asserted(await sign(claims({ aud: [server.url] }))))).status, 200)
})

t.test('an assertion that is not in order is refused (RFC 7523 3)', async (t) => {
  const stranger = await generateKeyPair('ES256')
  const past = Math.floor(Date.now() / 1000) - 3600
  const { exp: _, ...endless } = claims()
  const { jti: __, ...nameless } = claims()
  const assertions: Record<string, string> = {
    'another key': await sign(claims(), undefined, stranger.privateKey),
    'no algorithm': new UnsecuredJWT(claims()).encode(),
    'another audience': await sign(claims({ aud: 'https://other.example' })),
    'another issuer': await sign(claims({ iss: client.id })),
    'another client': await sign(claims({ iss: client.id, sub: client.id })),
    'an unknown client': await sign(claims({ iss: 'client_unknown', sub: 'client_unknown' })),
    'a subject that is no text': await sign(claims({ sub: ['x'] as never })),
    'past its time': await sign(claims({ iat: past, exp: past + 60 })),
    'before its time': await sign(claims({ nbf: past + 7200 })),
    'without an end': await sign(endless),
    'without a name': await sign(nameless),
  }
  for (const [message, jwt] of Object.entries(assertions)) {
    const response = await ask(asserted(jwt))
    t.ok(response.status === 401 || response.status === 400, `${message}: ${response.status}`)
    t.match(await response.json(), { error: /^invalid_(client|request)$/ })
  }
  await isRefused(t, await ask(asserted('a.b.c')), 400, 'invalid_request', 'no JWT')
  await isRefused(t, await ask({ client_id: keyed ?? '' }), 401, 'invalid_client', 'no assertion')
})

t.test(
  'an assertion is good once, also for those who send it at once (RFC 7523 3, Hydra GHSA-3p3g-vpw6-4w66)',
  async (t) => {
    const servers = [server]
    if (server.env.DATABASE_URL !== undefined) servers.push(await startGatehouse(t, { beside: server, env }))
    else t.comment('the embedded database serves one process: no second server takes part')

    const again = asserted(await sign(claims()))
    t.equal((await ask(again)).status, 200)
    await isRefused(t, await ask(again), 401, 'invalid_client', 'one after the other')
    for (const path of ['/oauth/introspect', '/oauth/token']) {
      const parameters = { token: 'unknown', grant_type: 'refresh_token', refresh_token: 'unknown' }
      const body = new URLSearchParams({ ...parameters, ...asserted(await sign(claims())) })
      const answers = await postAtOnce(servers, path, 20, { body, headers: {} })
      const refused = answers.filter(({ status, body }) => status === 401 && body.error === 'invalid_client')
      t.equal(refused.length, 19, `${path}: nineteen of twenty`)
      t.match(
        answers.find(({ status }) => status !== 401)?.status,
        path === '/oauth/token' ? 400 : 200,
        'and one is let in',
      )
    }
  },
)

t.test(
  'an assertion is used up by a request that fails, and the code is not (RFC 7523 3, RFC 6749 4.1.2)',
  async (t) => {
    const { url, verifier: code_verifier } = await authorizationRequest(publicClient)
    url.searchParams.set('client_id', keyed ?? '')
    const browser = new Browser(server)
    const end = await passPages(browser, await browser.goto(url.href), person)
    const code = new URL(end.url).searchParams.get('code') ?? ''
    const redeem = (jwt: string) => {
      const body = new URLSearchParams({ grant_type: 'authorization_code', code, code_verifier, ...asserted(jwt) })
      return server.fetch('/oauth/token', { method: 'POST', body })
    }
    const first = await sign(claims())
    const fault = { table: 'audit_events', when: "new.type = 'token.issue'" } as const
    t.equal((await whileFailing(server.db, fault, () => redeem(first))).status, 500)
    await isRefused(t, await redeem(first), 401, 'invalid_client', 'the same assertion')
    t.equal((await redeem(await sign(claims()))).status, 200, 'another')
  },
)
