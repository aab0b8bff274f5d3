import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose'
import * as openid from 'openid-client'
import t from 'tap'
import { createClient, type NewClient } from '../../src/clients/clients.ts'
import { Browser } from '../fixtures/browser.ts'
import { type Certified, escaped, makeCertificate } from '../fixtures/certificates.ts'
import { IN_ORDER, passPages, REDIRECT_URI } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { createOperator } from '../fixtures/operator.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import { makeDirectory } from '../fixtures/processes.ts'
import { withQuery } from '../fixtures/wire.ts'

/** FAPI 2.0 with the other ways that 5.3.2.1 allows: mutual TLS (RFC 8705) to authenticate, to bind tokens, or both. */
const authority = await makeCertificate('CN=Test Authority', { isAuthority: true })
const ca = join(await makeDirectory(t), 'ca.pem')
writeFileSync(ca, authority.cert)
const env = { TRUST_PROXY: '127.0.0.1', CLIENT_CERTIFICATES: 'X-Client-Cert', CLIENT_CERTIFICATE_CA: ca }
const server = await startGatehouse(t, { env })
const person = await makePerson(server)
const own = await makeCertificate('CN=Bank', { by: authority, names: [{ type: 'dns', value: 'bank.example' }] })
const other = await makeCertificate('CN=Bank', { by: authority, names: [{ type: 'dns', value: 'else.example' }] })
const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
const keys = { jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', use: 'sig' }] } }

const input = { name: 'Bank App', type: 'web', redirectUris: [REDIRECT_URI], profile: 'fapi2' } as const
const SELF_SIGNED = { certificate: { selfSigned: own.cert } }
const OF_AN_AUTHORITY = { certificate: { subject: 'san_dns', value: 'bank.example' } }

/** How a library talks to the server with a certificate, or with none. */
const talkWith =
  (certificate?: Certified): openid.CustomFetch =>
  (url, { headers, ...options }) =>
    fetch(url, {
      ...options,
      headers: { ...headers, ...(certificate && { 'x-client-cert': escaped(certificate) }) },
    } as RequestInit)

async function makeBank(more: Partial<NewClient>) {
  const { client, secret } = await createClient(server.db, { ...input, ...more })
  t.equal(secret, undefined, 'it has no secret')
  const method = more.certificate ? openid.TlsClientAuth() : openid.PrivateKeyJwt({ key: privateKey, kid: 'k' })
  const execute = [openid.allowInsecureRequests]
  const configuration = await openid.discovery(new URL(server.url), client.id, undefined, method, { execute })
  configuration[openid.customFetch] = talkWith(own)
  return { id: client.id, configuration, refused: (change: () => Promise<unknown>) => change().then(none, codeOf) }
}
const none = () => 'none'
const codeOf = (error: { error?: string; cause?: { error?: string } }) => error.error ?? error.cause?.error

/** Has a library push, sign in, consent and come back. */
async function redirected(configuration: openid.Configuration, options: openid.DPoPOptions) {
  const pkceCodeVerifier = openid.randomPKCECodeVerifier()
  const code_challenge = await openid.calculatePKCECodeChallenge(pkceCodeVerifier)
  const asked = { ...IN_ORDER, scope: 'openid offline_access profile:read', code_challenge }
  const url = await openid.buildAuthorizationUrlWithPAR(configuration, asked, options)
  const browser = new Browser(server)
  const end = new URL((await passPages(browser, await browser.goto(url.href), person)).url)
  const checks = { pkceCodeVerifier, expectedState: IN_ORDER.state ?? '' }
  return (given: openid.DPoPOptions = options) => openid.authorizationCodeGrant(configuration, end, checks, {}, given)
}

for (const [name, more] of Object.entries({
  'a certificate of its own': SELF_SIGNED,
  'a certificate of an authority': OF_AN_AUTHORITY,
  'a key, bound to a certificate': { keys, certificateBound: true },
})) {
  t.test(`${name}: the client gets tokens that are good with its certificate alone (FAPI 2.0 5.3.2.1)`, async (t) => {
    const { configuration, refused } = await makeBank(more)
    const redeem = await redirected(configuration, {})
    configuration[openid.customFetch] = talkWith()
    t.match(await refused(redeem), /^invalid_(client|grant)$/, 'no token without it')
    configuration[openid.customFetch] = talkWith(own)
    const tokens = await (await redirected(configuration, {}))()
    t.match(decodeJwt(tokens.access_token), { cnf: { 'x5t#S256': String } })
    t.equal(decodeProtectedHeader(tokens.access_token).alg, 'ES256')
    t.equal(decodeProtectedHeader(tokens.id_token ?? '').alg, 'ES256')

    for (const [certificate, status] of [
      [own, 200],
      [other, 401],
      [undefined, 401],
    ] as const) {
      const headers = { ...bearer(tokens.access_token), ...(certificate && { 'x-client-cert': escaped(certificate) }) }
      t.equal((await server.fetch('/api/me', { headers })).status, status)
    }
    const refresh = () => openid.refreshTokenGrant(configuration, tokens.refresh_token ?? '')
    configuration[openid.customFetch] = talkWith()
    t.match(await refused(refresh), /^invalid_(client|grant)$/, 'nor a refresh')
    configuration[openid.customFetch] = talkWith(own)
    t.match(decodeJwt((await refresh()).access_token), { cnf: { 'x5t#S256': String } })
  })
}

t.test('who authenticates by a certificate may have tokens bound by DPoP instead (FAPI 2.0 5.3.2.1)', async (t) => {
  const { configuration, refused } = await makeBank({ ...SELF_SIGNED, dpopBound: true })
  const DPoP = openid.getDPoPHandle(configuration, await openid.randomDPoPKeyPair('ES256'))
  const redeem = await redirected(configuration, { DPoP })
  t.match(await refused(() => redeem({})), /^invalid_(grant|request|dpop_proof)$/)
  const tokens = await (await redirected(configuration, { DPoP }))()
  t.equal(tokens.token_type, 'dpop')
  t.strictSame(Object.keys(decodeJwt(tokens.access_token).cnf ?? {}), ['jkt'])
})

t.test('its requests are pushed, by its certificate alone, and whole (FAPI 2.0 5.3.2.2)', async (t) => {
  const { id } = await makeBank(SELF_SIGNED)
  const asked = { ...IN_ORDER, client_id: id }
  t.match((await new Browser(server).goto(withQuery('/oauth/authorize', asked))).url, 'error=invalid_request')
  const push = async (certificate?: Certified, changes: Record<string, string | undefined> = {}) => {
    const parameters = Object.entries({ ...asked, ...changes }).filter(([, value]) => value !== undefined)
    const headers = certificate && { 'x-client-cert': escaped(certificate) }
    const body = new URLSearchParams(parameters as [string, string][])
    return (await server.fetch('/oauth/par', { method: 'POST', body, ...(headers && { headers }) })).status
  }
  t.equal(await push(own), 201)
  t.equal(await push(other), 401, 'of another')
  t.equal(await push(), 401)
  t.equal(await push(undefined, { client_secret: 'x' }), 401, 'nor by a secret')
  for (const changes of [
    { code_challenge: undefined },
    { code_challenge_method: 'plain' },
    { redirect_uri: undefined },
  ])
    t.equal(await push(own, changes), 400, JSON.stringify(changes))
})

t.test('no client has two ways to authenticate or to be bound, or none (FAPI 2.0 5.3.2.1)', async (t) => {
  for (const wrong of [
    {},
    { ...SELF_SIGNED, keys },
    { ...SELF_SIGNED, authentication: 'private_key_jwt' as const },
    { ...SELF_SIGNED, dpopBound: true, certificateBound: true },
    { ...SELF_SIGNED, type: 'spa' as const },
    { ...SELF_SIGNED, redirectUris: ['http://127.0.0.1/callback'] },
    { certificate: { selfSigned: 'none' } },
  ]) {
    await t.rejects(createClient(server.db, { ...input, ...wrong }), JSON.stringify(wrong).slice(0, 60))
  }
  const operator = createOperator(server.env)
  const file = join(t.testdir(), 'cert.pem')
  writeFileSync(file, own.cert)
  const words = ['--name', 'B', '--type', 'web', '--redirect-uri', REDIRECT_URI, '--profile', 'fapi2']
  const command = ['clients', 'create', ...words, '--certificate', file]
  const made = await operator.run<{ client_id: string }>(t, command)
  t.strictSame(Object.keys(made), ['client_id'])
  const { clients } = await operator.run<{ clients: { client_id: string }[] }>(t, ['clients', 'list'])
  t.match(
    clients.find(({ client_id }) => client_id === made.client_id),
    { profile: 'fapi2', require_pushed_authorization_requests: true, dpop_bound_access_tokens: false },
  )
})

t.test('a client whose tokens are to be bound is none where certificates are off (RFC 8705 3)', async (t) => {
  const off = await startGatehouse(t)
  const bound = { authentication: 'private_key_jwt', keys, certificateBound: true } as const
  const { client } = await createClient(off.db, { ...{ name: 'Job', type: 'machine', redirectUris: [] }, ...bound })
  const method = openid.PrivateKeyJwt({ key: privateKey, kid: 'k' })
  const execute = [openid.allowInsecureRequests]
  const configuration = await openid.discovery(new URL(off.url), client.id, undefined, method, { execute })
  t.equal(await openid.clientCredentialsGrant(configuration).then(none, codeOf), 'invalid_client')
})
