import * as openid from 'openid-client'
import t from 'tap'
import { createResource } from '../../src/resources/resources.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { authorize, makeClient, type RelyingParty } from '../fixtures/clients.ts'
import { accessToken, apiKey, firstPartyJwt, type Held, makeOneOfEach } from '../fixtures/credentials.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { signIn } from '../fixtures/people.ts'
import { clientPost } from '../fixtures/wire.ts'

const here = await startGatehouse(t)
const there = await startGatehouse(t, { beside: here })
const PARCELS = 'https://parcels.example'
await createResource(here.db, here.url, { identifier: PARCELS, name: 'Parcels', scopes: { p: 'P' }, format: 'jwt' })
const gateway = await makeClient(here, { type: 'machine', serves: [`${here.url}/api`] })
const ours = await makeClient(here, { type: 'spa', firstParty: true })

const revoke = (token: string, as: Pick<RelyingParty, 'id' | 'secret'>) =>
  clientPost(here, '/oauth/revoke', as, { token })
const statusOf = async ({ headers }: Pick<Held, 'headers'>, server = here) =>
  (await server.fetch('/api/me', { headers })).status

t.test('a first-party JWT or an API key ends for an app of ours or a server of the API (RFC 7009 2.1)', async (t) => {
  for (const client of [gateway, ours]) {
    for (const make of [firstPartyJwt, apiKey]) {
      const held = await make(here)
      for (const server of [here, there]) t.equal(await statusOf(held, server), 200)
      await openid.tokenRevocation(client.configuration, held.token)
      for (const server of [here, there]) t.equal(await statusOf(held, server), 401, held.kind)
      t.equal((await revoke(held.token, client)).status, 200, 'also again')
    }
  }
})

t.test('a first-party JWT takes its session along, and no other (RFC 7009 2.1)', async (t) => {
  const held = await firstPartyJwt(here)
  if (held.person === undefined) throw new Error('nobody')
  const [ended, other] = [await signIn(here, held.person), await signIn(here, held.person)]
  await revoke(ended.accessToken, gateway)
  t.equal((await here.post('/api/auth/refresh', { refreshToken: ended.refreshToken })).status, 401)
  t.equal((await here.post('/api/auth/refresh', { refreshToken: other.refreshToken })).status, 200)
  t.equal(await statusOf(held), 200)
})

t.test('nobody else ends them, and nobody is told why (RFC 7009 2.1, 5)', async (t) => {
  const others = [
    await makeClient(here),
    await makeClient(here, { type: 'spa' }),
    await makeClient(here, { type: 'machine' }),
    await makeClient(here, { type: 'machine', serves: [PARCELS] }),
  ]
  for (const make of [firstPartyJwt, apiKey]) {
    const held = await make(here)
    for (const other of others) {
      const response = await revoke(held.token, other)
      t.equal(response.status, 200)
      t.equal(await response.text(), '')
    }
    t.equal(
      (await here.fetch('/oauth/revoke', { method: 'POST', body: new URLSearchParams({ token: held.token }) })).status,
      400,
    )
    t.equal((await revoke(held.token, { ...gateway, secret: 'wrong' })).status, 401)
    t.equal(await statusOf(held), 200, held.kind)
  }
})

t.test('an access token ends for its own client alone, not for a server that sees it (RFC 7009 2.1)', async (t) => {
  for (const format of ['jwt', 'opaque'] as const) {
    const held = await accessToken(here, format)
    for (const other of [gateway, ours]) t.equal((await revoke(held.token, other)).status, 200)
    t.equal(await statusOf(held), 200, format)
  }
  const app = await makeClient(here)
  const { redeem } = await authorize(here, app, (await firstPartyJwt(here)).person ?? { email: '', password: '' })
  const { access_token } = await redeem()
  await openid.tokenRevocation(app.configuration, access_token)
  t.equal(await statusOf({ headers: { authorization: `Bearer ${access_token}` } }), 401)
})

t.test('what is revoked is in the audit, by its name and who asked', async (t) => {
  for (const [make, type] of [
    [apiKey, 'api_key.revoke'],
    [firstPartyJwt, 'session.end'],
  ] as const) {
    const held = await make(here)
    const events = await eventsOf(here.db, () => revoke(held.token, gateway), 1)
    t.match(events, [{ type, subjectKind: 'account', subjectId: held.person?.id, clientId: gateway.id }])
    t.match(JSON.stringify(events), held.id)
    t.notMatch(JSON.stringify(events), held.token)
  }
})

t.test('garbage revokes nothing', async (t) => {
  const all = await makeOneOfEach(here)
  for (const { token } of all) {
    for (const other of [`${token}x`, token.slice(0, -1), `${token.slice(0, -4)}AAAA`]) await revoke(other, gateway)
  }
  for (const held of all) t.equal(await statusOf(held), 200, held.kind)
})
