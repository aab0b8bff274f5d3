import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import * as openid from 'openid-client'
import t, { type Test } from 'tap'
import { CIBA } from '../../src/clients/grant-types.ts'
import { createResource } from '../../src/resources/resources.ts'
import type { StatusClaim } from '../../src/status-lists/place.ts'
import { backchannelTokens, makeAsker } from '../fixtures/backchannel.ts'
import { backchannelProofs } from '../fixtures/backchannel-proofs.ts'
import { Browser } from '../fixtures/browser.ts'
import { clientAuthenticationProofs } from '../fixtures/client-authentication-proofs.ts'
import { authorizationRequest, authorize, makeClient, REDIRECT_URI } from '../fixtures/clients.ts'
import { DEVICE_CODE, deviceTokens } from '../fixtures/device.ts'
import { bindsWith } from '../fixtures/dpop.ts'
import { eventually } from '../fixtures/eventually.ts'
import { exchangeByLibrary } from '../fixtures/exchange.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { introspectionAlg } from '../fixtures/introspection.ts'
import { toldOfSignOut } from '../fixtures/logout-receiver.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'
import { requestProofs } from '../fixtures/request-proofs.ts'
import { assertionGrantByLibrary } from '../fixtures/service.ts'
import { clientPost, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const ORDERS = 'https://orders.example/api'
const scopes = { 'orders:read': 'See your orders' }
const order = { sentence: 'Place an order', required: ['article'], optional: [] }
await createResource(server.db, server.url, {
  identifier: ORDERS,
  name: 'Orders',
  scopes,
  format: 'jwt',
  authorizationDetailsTypes: { order },
})
await eventually(
  async () => (await (await server.fetch('/.well-known/oauth-authorization-server')).text()).includes('"order"'),
  (isThere) => isThere,
)
const person = await makePerson(server, 'admin')
const metadata = (await (await server.fetch('/.well-known/oauth-authorization-server')).json()) as Record<string, never>

const GRANTS: Record<string, () => Promise<openid.TokenEndpointResponse>> = {
  authorization_code: async () => (await authorize(server, await makeClient(server), person)).redeem(),
  async refresh_token() {
    const client = await makeClient(server)
    const { refresh_token = '' } = await (await authorize(server, client, person)).redeem()
    return openid.refreshTokenGrant(client.configuration, refresh_token)
  },
  [DEVICE_CODE]: () => deviceTokens(server, person),
  [CIBA]: async () =>
    (await backchannelTokens(server, person, await makeAsker(server))) as unknown as openid.TokenEndpointResponse,
  async client_credentials() {
    const { configuration } = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
    return openid.clientCredentialsGrant(configuration)
  },
  'urn:ietf:params:oauth:grant-type:token-exchange': () => exchangeByLibrary(server),
  'urn:ietf:params:oauth:grant-type:jwt-bearer': () => assertionGrantByLibrary(server),
}

async function tokensWith(parameters: Record<string, string>) {
  const told = { backchannelLogoutUri: 'https://app.example/out', backchannelLogoutSessionRequired: true }
  const { redeem } = await authorize(server, await makeClient(server, told), person, { parameters })
  return redeem()
}

/** What proves each member of the metadata. One that has no proof here is not to be promised. */
const PROOFS: Record<string, (t: Test, value: never) => unknown> = {
  ...clientAuthenticationProofs(server, metadata),
  ...requestProofs(server, person),
  ...backchannelProofs(server, person),
  issuer: (t, issuer) => t.equal(issuer, server.url),
  response_types_supported: (t, types) => t.same(types, ['code'], 'that every proof here asks for'),
  code_challenge_methods_supported: (t, methods) => t.same(methods, ['S256'], 'that every proof here is bound by'),
  async grant_types_supported(t, types: string[]) {
    for (const type of types) t.ok((await GRANTS[type]?.())?.access_token, type)
  },
  async id_token_signing_alg_values_supported(t, algorithms: string[]) {
    const keys = createRemoteJWKSet(new URL(metadata.jwks_uri ?? ''))
    for (const alg of algorithms) {
      const asked = { redirect_uris: [REDIRECT_URI], id_token_signed_response_alg: alg }
      const { client_id, client_secret } = (await (await register(server, asked)).json()) as Record<string, string>
      const client = { ...(await makeClient(server)), id: client_id ?? '', secret: client_secret }
      const { code, verifier } = await authorize(
        server,
        { ...client, configuration: (await makeClient(server)).configuration },
        person,
        { parameters: { client_id: client.id, scope: 'openid' } },
      )
      const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: REDIRECT_URI }
      const { id_token } = (await (await clientPost(server, '/oauth/token', client, form)).json()) as {
        id_token: string
      }
      const { protectedHeader } = await jwtVerify(id_token, keys, { issuer: server.url, audience: client.id })
      t.equal(protectedHeader.alg, alg)
    }
  },
  async introspection_signing_alg_values_supported(t, algorithms: string[]) {
    for (const alg of algorithms) t.equal(await introspectionAlg(server, alg), alg)
  },
  dpop_signing_alg_values_supported: bindsWith(server),
  async claims_supported(t, claims: string[]) {
    const { id_token = '', access_token } = await tokensWith({ scope: 'openid profile email', max_age: '600' })
    const userinfo = await server.fetch(metadata.userinfo_endpoint ?? '', { headers: bearer(access_token) })
    const told = { ...decodeJwt(id_token), ...((await userinfo.json()) as object) }
    for (const claim of claims) t.ok(claim in told, claim)
  },
  async scopes_supported(t, supported: string[]) {
    const client = await makeClient(server, { scope: supported })
    const ofOrders = supported.filter((scope) => scope in scopes)
    const ofOurs = supported.filter((scope) => !(scope in scopes))
    await authorize(server, client, person, { parameters: { scope: ofOurs.join(' ') } })
    await authorize(server, client, person, { parameters: { scope: ofOrders.join(' '), resource: ORDERS } })
    const { accessToken } = await signIn(server, person)
    const { grants } = (await (await server.fetch('/api/grants', { headers: bearer(accessToken) })).json()) as {
      grants: { clientId: string; scopes: string[] }[]
    }
    const granted = grants.find(({ clientId }) => clientId === client.id)
    t.strictSame([...(granted?.scopes ?? [])].sort(), [...supported].sort())
  },
  async protected_resources(t, identifiers: string[]) {
    t.strictSame(identifiers, [`${server.url}/api`, ORDERS])
    const scope = ['profile:read', 'orders:read']
    const { configuration } = await makeClient(server, { type: 'machine', scope })
    for (const resource of identifiers) {
      const { access_token } = await openid.clientCredentialsGrant(configuration, { resource })
      t.equal(decodeJwt(access_token).aud, resource)
    }
  },
  async subject_types_supported(t, types) {
    t.same(types, ['public'])
    for (const _ of [1, 2]) t.equal(decodeJwt((await tokensWith({ scope: 'openid' })).id_token ?? '').sub, person.id)
  },
  async authorization_response_iss_parameter_supported(t, supported) {
    t.equal(supported, true)
    const browser = new Browser(server)
    const { url } = await authorizationRequest(await makeClient(server), { prompt: 'none' })
    const refused = new URL((await browser.goto(url.href)).url).searchParams
    t.match(Object.fromEntries(refused), { error: 'login_required', iss: server.url }, 'also when it is refused')
  },
  async status_list_aggregation_endpoint(t, url: string) {
    const { configuration } = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
    const { access_token } = await openid.clientCredentialsGrant(configuration)
    const { uri } = (decodeJwt(access_token).status as StatusClaim).status_list
    const { status_lists } = (await (await server.fetch(url)).json()) as { status_lists: string[] }
    t.ok(status_lists.includes(uri), 'the list that a token names is there')
    t.equal((await server.fetch(uri)).headers.get('content-type'), 'application/statuslist+jwt')
  },
  backchannel_logout_supported: async (t) => t.equal((await toldOfSignOut(t, server, person)).sub, person.id),
  backchannel_logout_session_supported: async (t) => t.type((await toldOfSignOut(t, server, person)).sid, 'string'),
  claim_types_supported: (t, types) => t.same(types, ['normal']),
  claims_parameter_supported: (t, supported) => t.equal(supported, false),
  request_uri_parameter_supported: (t, supported) => t.equal(supported, false),
  /** test/flows/client-documents.ts has such a client. */
  client_id_metadata_document_supported: (t, supported) => t.equal(supported, true),
  async service_documentation(t, url: string) {
    t.equal((await server.fetch(url)).status, 200)
  },
}

const failUnproven = (t: Test) => t.fail('nothing proves it')

const ANSWERED = { authorization: 'GET', end_session: 'GET', userinfo: 'GET', jwks: 'GET' } as Record<string, string>

t.test('all that discovery promises is so (RFC 8414 2, RFC 9728 4, RFC 9207 3)', async (t) => {
  for (const [name, value] of Object.entries(metadata)) {
    const endpoint = /^(\w+)_(endpoint|uri)$/.exec(name)?.[1]
    await t.test(name, async (t) => {
      const prove = PROOFS[name]
      if (prove !== undefined || endpoint === undefined) {
        await (prove ?? failUnproven)(t, value)
        return
      }
      const { status } = await server.fetch(value, { method: ANSWERED[endpoint] ?? 'POST' })
      t.ok(status < 404, `it answers: ${status}`)
    })
  }
})

t.test('the metadata may be kept for a while, by anybody (RFC 8414 3.2, RFC 9111 5.2.2)', async (t) => {
  const wellKnown = ['openid-configuration', 'oauth-authorization-server', 'oauth-protected-resource']
  for (const name of [...wellKnown, 'oauth-protected-resource/api']) {
    const { headers } = await server.fetch(`/.well-known/${name}`)
    t.match(headers.get('cache-control'), /^public, max-age=\d{3,}$/, name)
    t.equal(headers.get('set-cookie'), null)
  }
})

t.test('no path names another issuer than ours (RFC 8414 3.1, OpenID Connect Discovery 4)', async (t) => {
  for (const path of [
    '/.well-known/oauth-authorization-server/api',
    '/.well-known/openid-configuration/api',
    '/api/.well-known/openid-configuration',
    '/.well-known/oauth-protected-resource/none',
    '/.well-known/oauth-protected-resource/api/me',
  ]) {
    t.equal((await server.fetch(path)).status, 404, path)
  }
})
