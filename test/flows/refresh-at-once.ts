import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import t from 'tap'
import { digest } from '../../src/secrets/opaque-token.ts'
import { authorize, makeClient, tokenRequest } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'

const skip = process.env.TEST_DATABASE_URL ? false : 'the embedded database runs one transaction at a time'
const TABS = 4

t.test('who refreshes at once waits for the first, and not for each other (RFC 9700 4.14.2)', { skip }, async (t) => {
  const server = await startGatehouse(t)
  const client = await makeClient(server)
  const { refresh_token = '' } = await (await authorize(server, client, await makePerson(server))).redeem()
  const others = postgres(server.env.DATABASE_URL ?? '', { max: 1 })
  t.teardown(() => others.end())
  const waiting = (event: string, count: number) =>
    eventually(
      async () =>
        (
          await server.db.execute(sql`select 1 from pg_stat_activity where datname = current_database()
            and wait_event_type = 'Lock' and wait_event like ${event}`)
        ).length,
      (found) => found >= count,
      10_000,
    )

  // Whoever is given the successor again is held up before the end of the transaction.
  await server.db.execute(sql`create function hold() returns trigger language plpgsql
    as 'begin perform pg_advisory_xact_lock_shared(1); return new; end'`)
  await server.db.execute(sql`create trigger hold before insert on audit_events
    for each row when (new.details ? 'retry') execute function hold()`)
  await others`select pg_advisory_lock(1)`
  const sent: Promise<Response>[] = []
  await server.db.transaction(async (tx) => {
    await tx.execute(sql`select 1 from provider_models where id = ${digest(refresh_token)} for update`)
    for (let tab = 0; tab < TABS; tab += 1) {
      sent.push(tokenRequest(server, client, { grant_type: 'refresh_token', refresh_token }))
    }
    t.equal(await waiting('%', TABS), TABS)
  })
  t.equal(await waiting('advisory', TABS - 1), TABS - 1, 'all but the first are at the same place')
  await others`select pg_advisory_unlock(1)`

  const answers = await Promise.all(sent)
  t.ok(answers.every(({ status }) => status === 200))
  const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as { refresh_token: string }[]
  t.equal(new Set(bodies.map((body) => body.refresh_token)).size, 1)
})
