import { createRemoteJWKSet, decodeProtectedHeader, exportJWK, generateKeyPair, jwtVerify } from 'jose'
import * as openid from 'openid-client'
import t from 'tap'
import { createClient } from '../../src/clients/clients.ts'
import {
  createResource,
  deleteResource,
  findResource,
  type ResourceDefinition,
  updateResource,
} from '../../src/resources/resources.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, tokenRequest } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { exchange, held, makeExchanger } from '../fixtures/exchange.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'
import { clientPost } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const beside = await startGatehouse(t, { beside: server })
const servers = [server, beside]
const person = await makePerson(server)
const asker = await makeClient(server, { type: 'machine' })
let made = 0

/** An invoices API with scopes of its own. */
async function makeApi(format: 'jwt' | 'opaque' = 'jwt') {
  made += 1
  const [read, pay] = [`invoices${made}:read`, `invoices${made}:pay`]
  const input = {
    identifier: `https://invoices${made}.example/api`,
    name: 'Invoices',
    scopes: { [read]: 'See your invoices', [pay]: 'Pay your invoices' },
    format,
  }
  const { identifier } = await createResource(server.db, server.url, input)
  const client = await makeClient(server, { scope: ['openid', 'offline_access', read, pay] })
  const parameters = { resource: identifier, scope: `openid offline_access ${read} ${pay}` }
  return { input, identifier, read, pay, client, parameters }
}

/** What each server says of a token for a resource: at introspection its scope, at the gate a status. */
async function seen(token: string, resource: string, scope: string) {
  const query = new URLSearchParams({ resource, scope })
  return Promise.all(
    servers.map(async (each) => {
      const told = (await (await clientPost(each, '/oauth/introspect', asker, { token })).json()) as {
        active: boolean
        scope?: string
      }
      const { status } = await each.fetch(`/gate/verify?${query}`, { headers: bearer(token) })
      return `${told.active} ${told.scope ?? ''} ${status}`
    }),
  )
}

const settled = (ask: () => Promise<string[]>, wanted: string) =>
  eventually(ask, (answers) => answers.every((answer) => answer === wanted))

t.test(
  'the consent page says what a scope of an API of the operator allows, in its sentence (RFC 6749 3.3)',
  async (t) => {
    const { client, parameters, identifier, read } = await makeApi()
    const browser = new Browser(server)
    const { url } = await authorizationRequest(client, parameters)
    const signIn = await browser.goto(url.href)
    const consent = await browser.submit(signIn, signIn.form('/login'), {
      email: person.email,
      password: person.password,
    })
    for (const sentence of ['See your invoices', 'Pay your invoices']) t.match(consent.html, sentence)

    await updateResource(server.db, identifier, { scopes: { [read]: 'Look at invoices' } })
    const again = await browser.goto((await authorizationRequest(client, { ...parameters, scope: read })).url.href)
    t.match(again.html, 'Look at invoices', 'as it is said now')
    t.notMatch(again.html, 'See your invoices')
  },
)

t.test(
  'it is in discovery on every process as soon as it is registered, and gone when it is (RFC 8414 2, RFC 9728 4)',
  async (t) => {
    const published = (name: string) => async () =>
      Promise.all(
        servers.map(async (each) => {
          const metadata = await (await each.fetch('/.well-known/oauth-authorization-server')).json()
          const { scopes_supported, protected_resources } = metadata as Record<string, string[]>
          return `${protected_resources?.includes(name)} ${scopes_supported?.includes('stock:count')}`
        }),
      )
    const identifier = 'https://stock.example'
    t.same(await published(identifier)(), ['false false', 'false false'])
    const scopes = { 'stock:count': 'Count' }
    await createResource(server.db, server.url, { identifier, name: 'Stock', scopes, format: 'jwt' })
    t.same(await settled(published(identifier), 'true true'), ['true true', 'true true'])
    await deleteResource(server.db, identifier)
    t.same(await settled(published(identifier), 'false false'), ['false false', 'false false'])
  },
)

for (const format of ['jwt', 'opaque'] as const) {
  t.test(`a scope that is taken away is not honoured any more, of ${format} tokens that have it too`, async (t) => {
    const { client, parameters, identifier, read, pay } = await makeApi(format)
    const { redeem } = await authorize(server, client, person, { parameters })
    const { access_token: token, refresh_token = '' } = await redeem()
    t.same(await seen(token, identifier, pay), Array(2).fill(`true ${read} ${pay} 200`))
    const events = await eventsOf(server.db, () =>
      updateResource(server.db, identifier, { scopes: { [read]: 'See your invoices' } }),
    )
    t.match(events, [{ type: 'resource.update', details: { identifier, changed: ['scopes'], removed: [pay] } }])
    t.same(await settled(() => seen(token, identifier, pay), `true ${read} 403`), Array(2).fill(`true ${read} 403`))
    t.same(await seen(token, identifier, read), Array(2).fill(`true ${read} 200`), 'and the others are')
    const refreshed = await openid.refreshTokenGrant(client.configuration, refresh_token, { resource: identifier })
    t.equal(refreshed.scope, read, 'nor is it refreshed (RFC 6749 6)')
    const asked = { grant_type: 'refresh_token', refresh_token: refreshed.refresh_token ?? '', scope: pay }
    t.match(await (await tokenRequest(server, client, asked)).json(), { error: 'invalid_scope' })
  })

  t.test(`when it is deleted ${format} tokens for it are refused, and none are issued (RFC 8707 2)`, async (t) => {
    const { input, client, parameters, identifier, read, pay } = await makeApi(format)
    const { redeem } = await authorize(server, client, person, { parameters })
    const { access_token: token, refresh_token = '' } = await redeem()
    const pending = await authorize(server, client, person, { parameters })
    t.same(await seen(token, identifier, read), Array(2).fill(`true ${read} ${pay} 200`))
    await deleteResource(server.db, identifier)
    t.same(await settled(() => seen(token, identifier, read), 'false  401'), Array(2).fill('false  401'))
    await t.rejects(pending.redeem(), { error: 'invalid_target' } as never)
    const asked = { grant_type: 'refresh_token', refresh_token, resource: identifier }
    t.match(await (await tokenRequest(server, client, asked)).json(), { error: 'invalid_target' })

    await new Promise((resolve) => setTimeout(resolve, 1_000 - (Date.now() % 1_000)))
    await createResource(server.db, server.url, input)
    t.same(await settled(() => seen(token, identifier, read), 'false  401'), Array(2).fill('false  401'), 'for good')
    const { access_token: fresh } = await (await authorize(server, client, person, { parameters })).redeem()
    t.same(
      await settled(() => seen(fresh, identifier, read), `true ${read} ${pay} 200`),
      Array(2).fill(`true ${read} ${pay} 200`),
      'only what is issued from then on',
    )
  })
}

t.test('what a token of it was exchanged for ends with it (RFC 8693 1.1)', async (t) => {
  const { client, parameters, identifier, read, input } = await makeApi()
  const behind = 'https://archive.example'
  const archive = { ...input, identifier: behind, scopes: { [read]: 'See your old invoices' } }
  await createResource(server.db, server.url, archive)
  const gateway = await makeExchanger(server, { serves: [identifier], scope: [read] })
  const { access_token } = await (await authorize(server, client, person, { parameters })).redeem()
  const derived = await exchange(server, gateway, held({ access_token }), { resource: behind })
  t.match(derived, { status: 200, scope: read })
  const isGood = () => seen(derived.access_token, behind, read)
  t.same(await isGood(), Array(2).fill(`true ${read} 200`))
  await deleteResource(server.db, identifier)
  t.same(await settled(isGood, 'false  401'), Array(2).fill('false  401'))
})

t.test(
  'its access tokens are signed by the algorithm, and last the seconds, that it says (RFC 9068 2.1)',
  async (t) => {
    const { client, parameters, identifier } = await makeApi()
    await updateResource(server.db, identifier, { signingAlg: 'RS256', accessTokenLifetime: 3600 })
    const { access_token: token, expires_in } = await (await authorize(server, client, person, { parameters })).redeem()
    const keys = createRemoteJWKSet(new URL(`${server.url}/oauth/jwks`))
    const { protectedHeader, payload } = await jwtVerify(token, keys, { audience: identifier })
    t.equal(protectedHeader.alg, 'RS256')
    t.equal(Number(payload.exp) - Number(payload.iat), 3600)
    t.ok(expires_in !== undefined && expires_in > 3590)
    t.match((await seen(token, identifier, ''))[0], /^true/)
  },
)

t.test('a client that is held to FAPI 2.0 gets none that are signed by RS256 (Security Profile 5.4.1)', async (t) => {
  const { identifier, read } = await makeApi()
  await updateResource(server.db, identifier, { signingAlg: 'RS256' })
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', use: 'sig' }] }
  const input = { name: 'Bank', type: 'machine', redirectUris: [], scope: [read] } as const
  const { client } = await createClient(server.db, { ...input, profile: 'fapi2', keys: { jwks } })
  const authentication = openid.PrivateKeyJwt({ key: privateKey, kid: 'k' })
  const insecure = { execute: [openid.allowInsecureRequests] }
  const configuration = await openid.discovery(new URL(server.url), client.id, undefined, authentication, insecure)
  const DPoP = openid.getDPoPHandle(configuration, await openid.randomDPoPKeyPair('ES256'))
  const issued = await openid.clientCredentialsGrant(configuration, { resource: identifier }, { DPoP })
  t.equal(decodeProtectedHeader(issued.access_token).alg, 'ES256')
})

t.test(
  'what is no resource is refused with a code, and nothing is registered (RFC 8707 2, RFC 6749 3.3)',
  async (t) => {
    const { identifier } = await makeApi()
    const good = { identifier: 'https://good.example', name: 'Good', scopes: { good: 'Good' }, format: 'jwt' } as const
    const refused: [Partial<ResourceDefinition & { identifier: string }>, string][] = [
      ...[
        'orders',
        '/api',
        'https://x.example/#top',
        'https://x.example/#',
        'https://x.example/a b',
        'https://ö.example',
      ].map((wrong) => [{ identifier: wrong }, 'invalid_target'] as [object, string]),
      [{ identifier: `https://x.example/${'x'.repeat(200)}` }, 'invalid_target'],
      [{ identifier: `${server.url}/api` }, 'invalid_target'],
      [{ identifier: `${server.url}/other` }, 'invalid_target'],
      [{ identifier }, 'resource_exists'],
      [{ scopes: { 'two words': 'Two' } }, 'invalid_scope'],
      [{ scopes: { 'quo"te': 'Quote' } }, 'invalid_scope'],
      [{ scopes: { '': 'Empty' } }, 'invalid_scope'],
      [{ scopes: { openid: 'Sign in' } }, 'invalid_scope'],
      [{ scopes: { 'admin:read': 'Rule' } }, 'invalid_scope'],
      [{ scopes: { good: ' ' } }, 'invalid_request'],
      [{ scopes: { good: 'See \u202eit' } }, 'invalid_request'],
      [{ name: '' }, 'invalid_request'],
      [{ accessTokenLifetime: 59 }, 'invalid_request'],
      [{ accessTokenLifetime: 86_401 }, 'invalid_request'],
      [{ accessTokenLifetime: 90.5 }, 'invalid_request'],
    ]
    for (const [change, code] of refused) {
      await t.rejects(createResource(server.db, server.url, { ...good, ...change }), { code }, JSON.stringify(change))
    }
    await createResource(server.db, server.url, good)
    const before = await findResource(server.db, server.url, good.identifier)
    for (const [{ identifier: _, ...change }, code] of refused.filter(([change]) => !('identifier' in change))) {
      await t.rejects(updateResource(server.db, good.identifier, change), { code }, JSON.stringify(change))
    }
    t.strictSame(await findResource(server.db, server.url, good.identifier), before)
    await t.rejects(updateResource(server.db, `${server.url}/api`, { name: 'Mine' }), { code: 'not_found' })
    await t.rejects(deleteResource(server.db, `${server.url}/api`), { code: 'not_found' })
  },
)
