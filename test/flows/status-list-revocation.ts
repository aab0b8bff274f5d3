import { decodeJwt } from 'jose'
import t from 'tap'
import { changeAccount, setDisabled, setRole } from '../../src/accounts/change-account.ts'
import { revokeApiKey } from '../../src/api-keys/api-keys.ts'
import { deleteClient, rotateClientSecret } from '../../src/clients/clients.ts'
import { revokeGrants } from '../../src/grants/grants.ts'
import { endSession } from '../../src/sessions/sessions.ts'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { accessToken, apiKey, firstPartyJwt, type Held, machineToken } from '../fixtures/credentials.ts'
import { eventually } from '../fixtures/eventually.ts'
import { exchange, held, makeExchanger } from '../fixtures/exchange.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { isInvalid, statusOf } from '../fixtures/status-lists.ts'
import { clientPost } from '../fixtures/wire.ts'

const here = await startGatehouse(t)
const there = await startGatehouse(t, { beside: here })
const exchanger = await makeExchanger(here)

const account = ({ person }: Held) => person?.id ?? ''
const now = () => new Date()

async function exchanged(parent: Held): Promise<Held> {
  const child = await exchange(here, exchanger, parent)
  if (child.status !== 200) throw new Error(`the exchange answers ${child.status}: ${child.error}`)
  return { ...parent, ...held(child), person: parent.person }
}

interface End {
  readonly of: string
  readonly make: () => Promise<Held>
  readonly end: (of: Held) => Promise<unknown>
}

const ENDS: readonly End[] = [
  {
    of: 'a grant',
    make: () => accessToken(here),
    end: (token) => revokeGrants(here.db, account(token), token.clientId ?? '', now()),
  },
  {
    of: 'a token by its own client',
    make: () => accessToken(here),
    end: (token) => here.fetch('/api/auth/logout', { method: 'POST', headers: token.headers }),
  },
  {
    of: 'an account',
    make: () => accessToken(here),
    end: (token) => setDisabled(here.db, account(token), true, now()),
  },
  { of: 'a role', make: () => accessToken(here), end: (token) => setRole(here.db, account(token), 'admin', now()) },
  { of: 'a client', make: () => accessToken(here), end: ({ clientId = '' }) => deleteClient(here.db, clientId, now()) },
  {
    of: 'a machine client',
    make: () => machineToken(here),
    end: ({ clientId = '' }) => deleteClient(here.db, clientId, now()),
  },
]

const PARENTS: readonly End[] = [
  { of: 'an API key', make: () => apiKey(here), end: (key) => revokeApiKey(here.db, account(key), key.id, now()) },
  { of: 'a session', make: () => firstPartyJwt(here), end: ({ id }) => endSession(here.db, id, now()) },
  ...ENDS.slice(0, 3),
]

/** Whether each server tells it before a poll of a second has come round twice. */
async function isToldInvalid(token: string): Promise<boolean> {
  const told = (server: typeof here) =>
    eventually(
      () => isInvalid(server, token),
      (is) => is,
    )
  return (await Promise.all([told(here), told(there)])).every(Boolean)
}

for (const { of, make, end } of ENDS) {
  t.test(`the list tells the end of ${of}, on every process (draft-ietf-oauth-status-list-21 7.1)`, async (t) => {
    const token = await make()
    const another = await make()
    t.notOk(await isInvalid(here, token.token))
    await end(token)
    t.ok(await isToldInvalid(token.token))
    t.notOk(await isInvalid(here, another.token), 'and of nobody else')
    t.notOk(await isInvalid(there, another.token))
  })
}

for (const { of, make, end } of PARENTS) {
  t.test(`the list tells the end of what was exchanged for it, with ${of} (RFC 8693 2.2.1)`, async (t) => {
    const parent = await make()
    const child = await exchanged(parent)
    const grandchild = await exchanged({ ...child, kind: 'access_token' })
    t.notSame(statusOf(child.token), statusOf(grandchild.token), 'it depends on more')
    t.notOk(await isInvalid(here, grandchild.token))
    await end(parent)
    t.ok(await isToldInvalid(child.token))
    t.ok(await isToldInvalid(grandchild.token))
  })
}

t.test('what was exchanged ends with the client that exchanged it', async (t) => {
  const by = await makeExchanger(here)
  const { access_token } = await exchange(here, by, await apiKey(here))
  await deleteClient(here.db, by.id, now())
  t.ok(await isToldInvalid(access_token))
})

t.test('tokens of one grant share a place; after a change of the account the next has another', async (t) => {
  const person = await makePerson(here)
  const client = await makeClient(here)
  const granted = await (await authorize(here, client, person)).redeem()
  const refresh = async (token = '') => {
    const form = { grant_type: 'refresh_token', refresh_token: token }
    return (await (await clientPost(here, '/oauth/token', client, form)).json()) as Record<string, string>
  }
  const again = await refresh(granted.refresh_token)
  t.same(statusOf(again.access_token ?? ''), statusOf(granted.access_token))
  await setRole(here.db, person.id, 'admin', now())
  t.ok(await isToldInvalid(granted.access_token))
  const { access_token = '' } = await refresh(again.refresh_token)
  t.notOk(await isInvalid(here, access_token))
  t.equal(decodeJwt(access_token).role, 'admin')
})

t.test('another secret of a client ends none of its tokens, nor another name of an account', async (t) => {
  const { token, clientId = '' } = await machineToken(here)
  const named = await accessToken(here)
  await rotateClientSecret(here.db, clientId, now())
  await changeAccount(here.db, account(named), { name: 'Another' }, now())
  const other = await machineToken(here)
  await deleteClient(here.db, other.clientId ?? '', now())
  t.ok(await isToldInvalid(other.token), 'both changes are told by then')
  for (const kept of [token, named.token]) {
    t.notOk(await isInvalid(here, kept))
    t.notOk(await isInvalid(there, kept))
  }
})

/** The embedded database has one connection: nothing happens there while a transaction is open. */
const isAlone = process.env.TEST_DATABASE_URL === undefined && 'the database has one connection'

t.test('a place that was given while a change was under way ends with it', { skip: isAlone }, async (t) => {
  const client = await makeClient(here, { type: 'machine', scope: ['profile:read'] })
  const form = { grant_type: 'client_credentials' }
  const ask = async () =>
    (await (await clientPost(here, '/oauth/token', client, form)).json()) as { access_token: string }
  const { access_token } = await here.db.transaction(async (tx) => {
    await deleteClient(tx as never, client.id, now())
    return ask()
  })
  t.ok(await isToldInvalid(access_token))
})

t.test('a process that starts later tells it too', async (t) => {
  const token = await accessToken(here)
  await revokeGrants(here.db, account(token), token.clientId ?? '', now())
  const late = await startGatehouse(t, { beside: here })
  t.ok(await isInvalid(late, token.token))
})
