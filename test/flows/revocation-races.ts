import { sql } from 'drizzle-orm'
import t from 'tap'
import { deleteClient } from '../../src/clients/clients.ts'
import { digest } from '../../src/secrets/opaque-token.ts'
import { authorize, makeClient, type RelyingParty } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'
import { clientForm, meStatus } from '../fixtures/wire.ts'

const skip = process.env.TEST_DATABASE_URL ? false : 'the embedded database runs one transaction at a time'

interface Granted {
  readonly client: RelyingParty
  readonly code: Record<string, string>
  readonly refresh_token: string
}

t.test('who ends a grant waits for who goes on by it, and ends that too (RFC 7009 2.1)', { skip }, async (t) => {
  const server = await startGatehouse(t)
  const person = await makePerson(server)
  const { accessToken } = await signIn(server, person)
  const post = (path: string, client: RelyingParty, parameters: Record<string, string>) =>
    server.fetch(path, { method: 'POST', ...clientForm(client, parameters) })
  const ways: Record<string, (granted: Granted) => Promise<unknown>> = {
    'a revoked token': ({ client, refresh_token }) => post('/oauth/revoke', client, { token: refresh_token }),
    'a code used again': ({ client, code }) => post('/oauth/token', client, code),
    'its person': ({ client }) =>
      server.fetch(`/api/grants/${client.id}`, { method: 'DELETE', headers: bearer(accessToken) }),
    'the operator': ({ client }) => deleteClient(server.db, client.id, new Date()),
  }
  const waiting = sql`select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  const areWaiting = (count: number) =>
    eventually(
      async () => (await server.db.execute(waiting)).length,
      (found) => found >= count,
      5_000,
    )

  for (const [way, end] of Object.entries(ways)) {
    const client = await makeClient(server, { accessTokenFormat: 'opaque' })
    const { redeem, code, verifier: code_verifier } = await authorize(server, client, person)
    const { access_token, refresh_token = '' } = await redeem()
    const granted = { client, code: { grant_type: 'authorization_code', code, code_verifier }, refresh_token }
    const sent: Promise<unknown>[] = []
    await server.db.transaction(async (tx) => {
      await tx.execute(sql`select 1 from provider_models where id = ${digest(refresh_token)} for update`)
      sent.push(post('/oauth/token', client, { grant_type: 'refresh_token', refresh_token }))
      t.equal(await areWaiting(1), 1, `${way}: the refresh has begun`)
      sent.push(end(granted))
      t.equal(await areWaiting(2), 2, `${way}: and its end`)
    })
    const [refreshed, ended] = (await Promise.all(sent)) as [Response, Response | undefined]
    t.equal(refreshed.status, 200, `${way}: a refresh that came first`)
    const next = (await refreshed.json()) as Record<'access_token' | 'refresh_token', string>
    t.equal(ended?.status ?? 200, way === 'a code used again' ? 400 : 200, way)
    for (const token of [access_token, next.access_token]) t.equal(await meStatus(server, token), 401, way)
    const again = await post('/oauth/token', client, { grant_type: 'refresh_token', refresh_token: next.refresh_token })
    t.match(again.status, /40[01]/, way)
  }
})
