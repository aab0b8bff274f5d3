import { eq } from 'drizzle-orm'
import t from 'tap'
import { setDisabled, setRole } from '../../src/accounts/change-account.ts'
import { revokeApiKey } from '../../src/api-keys/api-keys.ts'
import { deleteClient } from '../../src/clients/clients.ts'
import { revokeAccessToken } from '../../src/credentials/access-token-state.ts'
import { changes } from '../../src/database/schema.ts'
import { revokeGrants } from '../../src/grants/grants.ts'
import { endSession } from '../../src/sessions/sessions.ts'
import { accessToken, apiKey, firstPartyJwt, type Held, machineToken, makeOneOfEach } from '../fixtures/credentials.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'

const here = await startGatehouse(t)
const there = await startGatehouse(t, { beside: here })

const statusOf = async (server: Gatehouse, { headers }: Pick<Held, 'headers'>) =>
  (await server.fetch('/api/me', { headers })).status

/** Waits until a server refuses; a second is what a revocation may take to reach it. */
async function refusedWithin(server: Gatehouse, held: Held, milliseconds: number): Promise<boolean> {
  const deadline = performance.now() + milliseconds
  while (performance.now() < deadline) {
    if ((await statusOf(server, held)) === 401) return true
  }
  return false
}

interface Revocation {
  readonly of: string
  readonly make: (server: Gatehouse) => Promise<Held>
  readonly revoke: (held: Held) => Promise<unknown>
}

const opaqueToken = (server: Gatehouse) => accessToken(server, 'opaque')
const opaqueMachineToken = (server: Gatehouse) => machineToken(server, 'opaque')
const account = (held: Held) => held.person?.id ?? ''
const client = (held: Held) => held.clientId ?? ''
const soon = () => new Date(Date.now() + 600_000)

const REVOCATIONS: readonly Revocation[] = [
  { of: 'a session', make: firstPartyJwt, revoke: ({ id }) => endSession(here.db, id, new Date()) },
  { of: 'an API key', make: apiKey, revoke: (held) => revokeApiKey(here.db, account(held), held.id, new Date()) },
  { of: 'an access token', make: accessToken, revoke: ({ id }) => revokeAccessToken(here.db, id, soon(), new Date()) },
  {
    of: 'a token of a machine',
    make: machineToken,
    revoke: ({ id }) => revokeAccessToken(here.db, id, soon(), new Date()),
  },
  {
    of: 'an opaque access token',
    make: opaqueToken,
    revoke: ({ id }) => revokeAccessToken(here.db, id, soon(), new Date()),
  },
  {
    of: 'a grant',
    make: accessToken,
    revoke: (held) => revokeGrants(here.db, account(held), client(held), new Date()),
  },
  {
    of: 'a grant of an opaque token',
    make: opaqueToken,
    revoke: (held) => revokeGrants(here.db, account(held), client(held), new Date()),
  },
  { of: 'a client with grants', make: accessToken, revoke: (held) => deleteClient(here.db, client(held), new Date()) },
  { of: 'a machine client', make: machineToken, revoke: (held) => deleteClient(here.db, client(held), new Date()) },
  {
    of: 'a machine client with an opaque token',
    make: opaqueMachineToken,
    revoke: (held) => deleteClient(here.db, client(held), new Date()),
  },
  {
    of: 'an account with a session',
    make: firstPartyJwt,
    revoke: (held) => setDisabled(here.db, account(held), true, new Date()),
  },
  {
    of: 'an account with a key',
    make: apiKey,
    revoke: (held) => setDisabled(here.db, account(held), true, new Date()),
  },
  {
    of: 'an account with grants',
    make: accessToken,
    revoke: (held) => setDisabled(here.db, account(held), true, new Date()),
  },
  {
    of: 'an account with an opaque token',
    make: opaqueToken,
    revoke: (held) => setDisabled(here.db, account(held), true, new Date()),
  },
]

for (const { of, make, revoke } of REVOCATIONS) {
  t.test(`revoked means refused, on the next request here and within a second there: ${of}`, async (t) => {
    const held = await make(here)
    t.equal(await statusOf(here, held), 200, 'warm here')
    t.equal(await statusOf(there, held), 200, 'warm there')
    await revoke(held)
    t.equal(await statusOf(here, held), 401)
    t.ok(await refusedWithin(there, held, 1_000))
    t.equal(await statusOf(here, held), 401, 'and for good')
  })
}

t.test('a process that starts after a revocation refuses too', async (t) => {
  const held = await accessToken(here)
  await revokeAccessToken(here.db, held.id, soon(), new Date())
  const late = await startGatehouse(t, { beside: here })
  t.equal(await statusOf(late, held), 401)
})

t.test('a lowered role counts at once, for every kind of credential (ASVS V8.3.2)', async (t) => {
  const person = await makePerson(here, 'admin')
  const { apiKey: key } = await makeKey(here, person, ['admin:read'])
  const { accessToken: jwt } = await signIn(here, person)
  const status = async (headers: Record<string, string>) => (await here.fetch('/api/admin/users', { headers })).status
  t.equal(await status({ 'x-api-key': key }), 200)
  t.equal(await status(bearer(jwt)), 200)
  await setRole(here.db, person.id, 'user', new Date())
  t.equal(await status({ 'x-api-key': key }), 403)
  t.equal(await status(bearer(jwt)), 403)
  await setRole(here.db, person.id, 'admin', new Date())
  t.equal(await status({ 'x-api-key': key }), 200)
})

t.test('an account enabled again gets in again', async (t) => {
  const held = await apiKey(here)
  t.equal(await statusOf(here, held), 200)
  await setDisabled(here.db, account(held), true, new Date())
  t.equal(await statusOf(here, held), 401)
  await setDisabled(here.db, account(held), false, new Date())
  t.equal(await statusOf(here, held), 200)
})

t.test('every revocation leaves a record in the database that others catch up from', async (t) => {
  for (const held of await makeOneOfEach(here)) {
    if (held.person === undefined) continue
    await setDisabled(here.db, held.person.id, true, new Date())
    const rows = await here.db
      .select()
      .from(changes)
      .where(eq(changes.tag, `account ${held.person.id}`))
    t.equal(rows.length, 1)
  }
})
