import t from 'tap'
import { setDisabled, setRole } from '../../src/accounts/change-account.ts'
import { revokeApiKey, rotateApiKey } from '../../src/api-keys/api-keys.ts'
import { deleteClient } from '../../src/clients/clients.ts'
import { revokeAccessToken } from '../../src/credentials/access-token-state.ts'
import { revokeGrants } from '../../src/grants/grants.ts'
import type { AccessTokenFormat } from '../../src/resources/resources.ts'
import { endSession } from '../../src/sessions/sessions.ts'
import { type RelyingParty, tokenRequest } from '../fixtures/clients.ts'
import { accessToken, apiKey, firstPartyJwt, type Held, machineToken } from '../fixtures/credentials.ts'
import { exchange, held, makeExchanger } from '../fixtures/exchange.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson } from '../fixtures/people.ts'
import { gatehouseAt, startServer } from '../fixtures/processes.ts'
import { clientPost, meStatus } from '../fixtures/wire.ts'

/** A process here and one of its own there; the embedded database serves one process, so there is here. */
const here = await startGatehouse(t)
const there =
  here.env.DATABASE_URL === undefined
    ? await startGatehouse(t, { beside: here })
    : gatehouseAt((await startServer(t, { ...here.env, ISSUER: here.url })).url, here)

const exchangers: Record<AccessTokenFormat, [RelyingParty, RelyingParty]> = {
  jwt: [await makeExchanger(here), await makeExchanger(here)],
  opaque: [
    await makeExchanger(here, { accessTokenFormat: 'opaque' }),
    await makeExchanger(here, { accessTokenFormat: 'opaque' }),
  ],
}

/** The statuses of tokens at the API and whether they are active, at a server. */
async function state(server: Gatehouse, tokens: readonly string[]): Promise<string> {
  const states = tokens.map(async (token) => {
    const response = await clientPost(server, '/oauth/introspect', exchangers.jwt[1], { token })
    return `${await meStatus(server, token)} ${((await response.json()) as { active: boolean }).active}`
  })
  return [...new Set(await Promise.all(states))].join()
}

const isOver = '401 false'

/** Waits until a server refuses; a second is what a revocation may take to reach it. */
async function isOverWithin(server: Gatehouse, tokens: readonly string[], milliseconds: number): Promise<boolean> {
  const deadline = performance.now() + milliseconds
  const isRefused = async () =>
    (await Promise.all(tokens.map((token) => meStatus(server, token)))).every((s) => s === 401)
  while (performance.now() < deadline) if (await isRefused()) return (await state(server, tokens)) === isOver
  return false
}

interface End {
  readonly of: string
  readonly make: () => Promise<Held>
  readonly end: (parent: Held, exchanger: RelyingParty) => Promise<unknown>
}

const opaqueToken = () => accessToken(here, 'opaque')
const opaqueMachineToken = () => machineToken(here, 'opaque')
const account = ({ person }: Held) => person?.id ?? ''
const soon = () => new Date(Date.now() + 600_000)
const revoke = ({ id }: Held) => revokeAccessToken(here.db, id, soon(), new Date())
const disable = (parent: Held) => setDisabled(here.db, account(parent), true, new Date())
const removeClient = ({ clientId = '' }: Held) => deleteClient(here.db, clientId, new Date())
const revokeGrant = (parent: Held) => revokeGrants(here.db, account(parent), parent.clientId ?? '', new Date())

const ENDS: readonly End[] = [
  { of: 'an API key', make: () => apiKey(here), end: (key) => revokeApiKey(here.db, account(key), key.id, new Date()) },
  { of: 'the account of an API key', make: () => apiKey(here), end: disable },
  { of: 'a session', make: () => firstPartyJwt(here), end: ({ id }) => endSession(here.db, id, new Date()) },
  {
    of: 'a session, by signing out',
    make: () => firstPartyJwt(here),
    end: ({ headers }) => here.fetch('/api/auth/logout', { method: 'POST', headers }),
  },
  { of: 'the account of a session', make: () => firstPartyJwt(here), end: disable },
  { of: 'an access token', make: () => accessToken(here), end: revoke },
  {
    of: 'an access token, at the API',
    make: () => accessToken(here),
    end: ({ headers }) => here.fetch('/api/auth/logout', { method: 'POST', headers }),
  },
  { of: 'the grant of an access token', make: () => accessToken(here), end: revokeGrant },
  { of: 'the client of an access token', make: () => accessToken(here), end: removeClient },
  { of: 'the account of an access token', make: () => accessToken(here), end: disable },
  { of: 'an opaque access token', make: opaqueToken, end: revoke },
  { of: 'the grant of an opaque access token', make: opaqueToken, end: revokeGrant },
  { of: 'the client of an opaque access token', make: opaqueToken, end: removeClient },
  { of: 'a token of a machine', make: () => machineToken(here), end: revoke },
  { of: 'a machine', make: () => machineToken(here), end: removeClient },
  { of: 'a machine with an opaque token', make: opaqueMachineToken, end: removeClient },
  {
    of: 'the client that exchanged it',
    make: () => apiKey(here),
    end: (_, { id }) => deleteClient(here.db, id, new Date()),
  },
]

for (const { of, make, end } of ENDS) {
  t.test(
    `what was exchanged, and exchanged again, ends with ${of}, here at once and there within a second`,
    async (t) => {
      for (const format of ['jwt', 'opaque'] as const) {
        const parent = await make()
        const first = of.startsWith('the client that') ? await makeExchanger(here) : exchangers[format][0]
        const child = await exchange(here, first, parent)
        const grandchild = await exchange(there, exchangers[format][1], held(child))
        const tokens = [child.access_token, grandchild.access_token]
        for (const server of [here, there]) t.equal(await state(server, tokens), '200 true', `${format}, warm`)
        await end(parent, first)
        t.equal(await state(here, tokens), isOver, `${format}, here`)
        t.ok(await isOverWithin(there, tokens, 1_000), `${format}, there`)
        const again = await exchange(here, exchangers[format][1], held(child))
        t.match(again, { status: 400, error: 'invalid_request' }, 'and nothing is exchanged for it any more')
      }
    },
  )
}

t.test('an opaque token that its client revokes ends what was exchanged for it (RFC 7009 2.1)', async (t) => {
  const owner = await makeExchanger(here, { accessTokenFormat: 'opaque' })
  const granted = await tokenRequest(here, owner, { grant_type: 'client_credentials', scope: 'profile:read' })
  const { access_token: token } = (await granted.json()) as { access_token: string }
  const child = await exchange(here, exchangers.jwt[0], held({ access_token: token }))
  t.equal(await meStatus(there, child.access_token), 200)
  t.equal((await clientPost(here, '/oauth/revoke', owner, { token })).status, 200)
  t.equal(await meStatus(here, child.access_token), 401)
  t.ok(await isOverWithin(there, [child.access_token], 1_000))
})

t.test('one child that is revoked leaves parent and siblings', async (t) => {
  const key = await apiKey(here)
  const [first, second] = [await exchange(here, exchangers.jwt[0], key), await exchange(here, exchangers.jwt[0], key)]
  await clientPost(here, '/oauth/revoke', exchangers.jwt[0], { token: first.access_token })
  t.equal(await meStatus(here, first.access_token), 401)
  t.equal(await meStatus(here, second.access_token), 200)
  t.equal((await here.fetch('/api/me', key)).status, 200)
})

t.test('an actor’s token that is revoked ends what it acted in (RFC 8693 4.1)', async (t) => {
  const exchanger = exchangers.jwt[0]
  const granted = await tokenRequest(here, exchanger, { grant_type: 'client_credentials', scope: 'profile:read' })
  const { access_token: actor } = (await granted.json()) as { access_token: string }
  const actor_token_type = 'urn:ietf:params:oauth:token-type:access_token'
  const child = await exchange(here, exchanger, await apiKey(here), { actor_token: actor, actor_token_type })
  t.equal(await meStatus(there, child.access_token), 200)
  await clientPost(here, '/oauth/revoke', exchanger, { token: actor })
  t.equal(await meStatus(here, child.access_token), 401)
  t.ok(await isOverWithin(there, [child.access_token], 1_000))
})

t.test('a key that was replaced takes what was exchanged for it along when its overlap is over', async (t) => {
  const key = await apiKey(here)
  const child = await exchange(here, exchangers.jwt[0], key)
  for (const server of [here, there]) t.equal(await meStatus(server, child.access_token), 200)
  const input = {
    accountId: account(key),
    id: key.id,
    prefix: here.config.apiKeyPrefix,
    held: new Set(['profile:read', 'keys:read']),
  }
  await rotateApiKey(here.db, { ...input, overlapSeconds: 2 }, new Date())
  for (const server of [here, there]) t.equal(await meStatus(server, child.access_token), 200, 'it is good until then')
  await new Promise((resolve) => setTimeout(resolve, 2_100))
  for (const server of [here, there]) t.ok(await isOverWithin(server, [child.access_token], 1_000))
})

t.test('a lowered role counts at once in what was exchanged (ASVS V8.3.2)', async (t) => {
  const admin = await makePerson(here, 'admin')
  const key = { kind: 'api_key', token: (await makeKey(here, admin, ['admin:read'])).apiKey }
  const { access_token } = await exchange(here, exchangers.jwt[0], key)
  const status = async () => (await here.fetch('/api/admin/users', { headers: bearer(access_token) })).status
  t.equal(await status(), 200)
  await setRole(here.db, admin.id, 'user', new Date())
  t.equal(await status(), 403)
})
