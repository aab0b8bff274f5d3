import { decodeJwt } from 'jose'
import t from 'tap'
import { keysAmong, openCheckpoint, signCheckpoint } from '../../src/audit/checkpoint.ts'
import type { Purpose } from '../../src/keys/schedule.ts'
import { createResource } from '../../src/resources/resources.ts'
import { authorize, makeClient, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { respellings } from '../fixtures/jws.ts'
import { makeKeyedClient } from '../fixtures/keyed-client.ts'
import { keysOf, signAs } from '../fixtures/keys.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'
import { clientPost, meStatus, withQuery } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)
const ORDERS = 'https://orders.example'
const PARCELS = 'https://parcels.example'
await createResource(server.db, server.url, {
  identifier: ORDERS,
  name: 'Orders',
  scopes: { o: 'Read' },
  format: 'jwt',
})
await createResource(server.db, server.url, {
  identifier: PARCELS,
  name: 'Parcels',
  scopes: { p: 'Read' },
  format: 'opaque',
})
const client = await makeClient(server, { scope: ['openid', 'offline_access', 'profile:read', 'o', 'p'] })

async function tokensFor(scope: string, resource?: string) {
  const parameters = { scope: `openid offline_access ${scope}`, ...(resource === undefined ? {} : { resource }) }
  const tokens = await (await authorize(server, client, person, { parameters })).redeem()
  return {
    access_token: tokens.access_token,
    refresh_token: tokens.refresh_token ?? '',
    id_token: tokens.id_token ?? '',
  }
}

const ours = await tokensFor('profile:read')
const firstParty = await signIn(server, person)
const claims = decodeJwt(ours.access_token)

t.test('nothing else of ours is an access token (RFC 8725 3.12, ASVS V9.2.2, V9.2.3)', async (t) => {
  t.equal(await meStatus(server, ours.access_token), 200)
  const { code } = await authorize(server, client, person, { parameters: { scope: 'openid' } })
  const others: Record<string, string> = {
    'an ID token': ours.id_token,
    'a JWT for another resource': (await tokensFor('o', ORDERS)).access_token,
    'a token for userinfo': (await authorized('openid')).access_token,
    'a code': code,
    'a client identifier': client.id,
    'an account identifier': person.id,
    'the name of a token': claims.jti ?? '',
    'the name of a grant': String(claims.grant_id),
  }
  for (const [name, token] of Object.entries(others)) {
    const response = await server.fetch('/api/me', { headers: bearer(token) })
    t.equal(response.status, 401, name)
    t.match(response.headers.get('www-authenticate'), /^Bearer error="invalid_token"/)
  }
})

const authorized = async (scope: string) =>
  (await authorize(server, client, person, { parameters: { scope } })).redeem()

t.test(
  'what is signed for one purpose is nothing for the other, even with the right claims (RFC 8725 3.12)',
  async (t) => {
    const firstPartyClaims = decodeJwt(firstParty.accessToken)
    t.equal(await meStatus(server, await signAs(server, claims, { typ: 'at+jwt' })), 200)
    t.equal(
      await meStatus(server, await signAs(server, firstPartyClaims, { typ: 'first-party+jwt' }, 'first_party')),
      200,
    )
    const crossed: Record<string, string> = {
      'access token claims, first-party key': await signAs(server, claims, { typ: 'at+jwt' }, 'first_party'),
      'access token claims, first-party type': await signAs(server, claims, { typ: 'first-party+jwt' }),
      'access token claims, both': await signAs(server, claims, { typ: 'first-party+jwt' }, 'first_party'),
      'first-party claims, other key': await signAs(server, firstPartyClaims, { typ: 'first-party+jwt' }),
      'first-party claims, access token type': await signAs(server, firstPartyClaims, { typ: 'at+jwt' }, 'first_party'),
      'first-party claims, both': await signAs(server, firstPartyClaims, { typ: 'at+jwt' }),
    }
    for (const [name, token] of Object.entries(crossed)) t.equal(await meStatus(server, token), 401, name)
  },
)

const askUserinfo = (token: string) => server.fetch('/oauth/userinfo', { headers: bearer(token) })

t.test('an opaque token is whole or none (Zitadel GHSA-6mq3-xmgp-pjm5)', async (t) => {
  const { access_token: opaque, refresh_token: refreshToken = '' } = await authorized('openid')
  const userinfo = async (token: string) => (await askUserinfo(token)).status
  const active = async (token: string) =>
    ((await (await clientPost(server, '/oauth/introspect', client, { token })).json()) as { active: boolean }).active
  const others = (token: string) => [
    token.slice(0, -1),
    token.slice(1),
    `${token}A`,
    `A${token}`,
    token.toLowerCase(),
    `${token} `,
  ]
  t.same([await userinfo(opaque), await active(opaque), await active(refreshToken)], [200, true, true])
  for (const token of others(opaque)) {
    t.equal(await active(token), false)
    if (token.trim() === token) t.equal(await userinfo(token), 401)
  }
  for (const token of others(refreshToken)) {
    t.equal(await active(token), false)
    t.equal((await tokenRequest(server, client, { grant_type: 'refresh_token', refresh_token: token })).status, 400)
  }
})

const { apiKey } = await makeKey(server, person)
const keyed = await makeKeyedClient(server)
const { kid, alg, key } = await (await keysOf(server)).signer('audit')
const checkpoint = await signCheckpoint(
  { day: '2026-01-01', first: 1, last: 1, before: '', hash: 'x', at: new Date().toISOString() },
  { kid, alg, key },
)
const PRESENTED = {
  'access token': ours.access_token,
  'access token for another resource': (await tokensFor('o', ORDERS)).access_token,
  'opaque access token for another resource': (await tokensFor('p', PARCELS)).access_token,
  'ID token': ours.id_token,
  'first-party JWT': firstParty.accessToken,
  'first-party refresh token': firstParty.refreshToken,
  'refresh token': ours.refresh_token,
  'API key': apiKey,
  'client secret': client.secret ?? '',
  'client assertion': await keyed.assertion(),
  'checkpoint of the audit': checkpoint,
}

type Kind = keyof typeof PRESENTED

/** How each place answers to what belongs there, and how to whatever does not. */
const PLACES: Record<string, { of?: Kind[]; good?: number; bad: number[]; present(token: string): Promise<Response> }> =
  {
    Bearer: {
      of: ['access token', 'first-party JWT', 'API key'],
      good: 200,
      bad: [401],
      present: (token) => server.fetch('/api/me', { headers: bearer(token) }),
    },
    'X-API-Key': {
      of: ['API key'],
      good: 200,
      bad: [401],
      present: (token) => server.fetch('/api/me', { headers: { 'x-api-key': token } }),
    },
    userinfo: { of: ['access token'], good: 200, bad: [401, 403], present: askUserinfo },
    'a code': {
      bad: [400],
      present: (code) =>
        tokenRequest(server, client, { grant_type: 'authorization_code', code, code_verifier: 'v'.repeat(43) }),
    },
    'a first-party session': {
      of: ['first-party refresh token'],
      good: 200,
      bad: [400, 401],
      present: (refreshToken) => server.post('/api/auth/refresh', { refreshToken }),
    },
    'an initial access token': {
      bad: [401],
      present: (token) => server.post('/oauth/register', { redirect_uris: [client.redirectUri] }, bearer(token)),
    },
    'a client assertion': {
      of: ['client assertion'],
      good: 200,
      bad: [400, 401],
      present: (token) =>
        clientPost(
          server,
          '/oauth/introspect',
          { id: keyed.id, secret: undefined },
          {
            token: 'unknown',
            client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
            client_assertion: token,
          },
        ),
    },
    'a client secret': {
      of: ['client secret'],
      good: 200,
      bad: [401],
      present: (secret) => clientPost(server, '/oauth/introspect', { id: client.id, secret }, { token: 'unknown' }),
    },
    'an ID token hint': {
      of: ['ID token'],
      good: 200,
      bad: [400],
      present: (hint) => server.fetch(withQuery('/oauth/logout', { id_token_hint: hint })),
    },
    'a refresh token': {
      of: ['refresh token'],
      good: 200,
      bad: [400],
      present: (token) => tokenRequest(server, client, { grant_type: 'refresh_token', refresh_token: token }),
    },
  }

for (const [place, { of = [], good, bad, present }] of Object.entries(PLACES)) {
  t.test(`only ${of.join(', ') || 'what it is'} is taken as ${place} (RFC 8725 3.12)`, async (t) => {
    for (const [kind, token] of Object.entries(PRESENTED)) {
      const { status } = await present(token)
      if (of.includes(kind as Kind)) t.equal(status, good, kind)
      else t.ok(bad.includes(status), `${kind}: ${status}`)
    }
  })
}

t.test('introspection and revocation take nothing for a token that is none (RFC 7662 2.2, RFC 7009 2.2)', async (t) => {
  const tokens: Kind[] = [
    'access token',
    'access token for another resource',
    'opaque access token for another resource',
  ]
  const isActive = async (token: string) => {
    const response = await clientPost(server, '/oauth/introspect', client, { token })
    t.equal(response.status, 200)
    return ((await response.json()) as { active: boolean }).active
  }
  for (const [kind, token] of Object.entries(PRESENTED)) {
    if (tokens.includes(kind as Kind) || kind === 'refresh token') continue
    t.equal(await isActive(token), false, kind)
    t.equal((await clientPost(server, '/oauth/revoke', client, { token })).status, 200)
  }
  for (const kind of tokens) t.equal(await isActive(PRESENTED[kind]), true, kind)
  t.equal(await meStatus(server, firstParty.accessToken), 200, 'what is no token of a client is not revoked')
  t.equal((await server.fetch('/api/me', { headers: { 'x-api-key': apiKey } })).status, 200)
})

t.test('nothing else is a checkpoint of the audit (RFC 8725 3.12)', async (t) => {
  const ring = await keysOf(server)
  const publicKeys = (purpose: Purpose) => ring.privateJwks(purpose).map(({ d: _, ...jwk }) => jwk)
  t.match(await openCheckpoint(checkpoint, keysAmong(publicKeys('audit'))), { day: '2026-01-01' })
  const findKey = keysAmong((['authorization_server', 'first_party', 'audit'] as const).flatMap(publicKeys))
  for (const [kind, token] of Object.entries(PRESENTED)) {
    if (kind !== 'checkpoint of the audit') await t.rejects(openCheckpoint(token, findKey), kind)
  }
  for (const [name, other] of Object.entries(respellings(checkpoint))) {
    await t.rejects(openCheckpoint(other, findKey), name)
  }
})
