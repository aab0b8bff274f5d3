import { randomUUID } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { hashPassword } from '../../src/secrets/password.ts'
import { Overloaded } from '../../src/secrets/work-queue.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { BEHIND_PROXY, from } from '../fixtures/guessing.ts'
import { makeKey, makePerson, PASSWORD } from '../fixtures/people.ts'

const server = await startGatehouse(t, { env: BEHIND_PROXY })

/** Hashes passwords until it is told to stop, so that the queue is never empty. */
async function keepBusy<T>(work: () => Promise<T>): Promise<T> {
  let over = false
  const hash = async () => {
    while (!over) {
      await hashPassword('a flood').catch(async (error: unknown) => {
        if (!(error instanceof Overloaded)) throw error
        await delay(2)
      })
    }
  }
  const flood = Array.from({ length: 50 * availableParallelism() }, hash)
  try {
    return await work()
  } finally {
    over = true
    await Promise.all(flood)
  }
}

t.test('more passwords than can be compared soon are told 503, and token checks go on (CWE-400)', async (t) => {
  const owner = await makePerson(server)
  const { apiKey } = await makeKey(server, owner)
  const client = await makeClient(server)
  const browser = new Browser(server)
  const page = await browser.goto((await authorizationRequest(client)).url.href)
  const { email } = owner
  const register = () => server.post('/api/auth/register', { email: `${randomUUID()}@example.com`, password: PASSWORD })
  const asks: Record<string, () => Promise<Response>> = {
    'a sign-in': () => server.post('/api/auth/login/jwt', { email, password: PASSWORD }),
    'an account': register,
    'the page': () =>
      browser.request(new URL(page.form('/login').action, page.url), {
        method: 'POST',
        body: new URLSearchParams({ email, password: PASSWORD }),
        headers: { origin: server.url, 'sec-fetch-site': 'same-origin' },
      }),
  }
  await keepBusy(async () => {
    for (const [what, ask] of Object.entries(asks)) {
      const busy = await ask()
      t.equal(busy.status, 503, what)
      t.match(busy.headers.get('retry-after'), /^[1-9]\d*$/)
      t.match(await busy.text(), /busy/)
    }
    t.equal((await server.fetch('/api/me', { headers: { 'x-api-key': apiKey } })).status, 200)
  })
})

t.test('what was not judged does not count against the account', async (t) => {
  const { email } = await makePerson(server)
  const guess = { email, password: 'a wrong guess' }
  const statuses: number[] = []
  await keepBusy(async () => {
    for (let i = 0; i < 12; i += 1) {
      statuses.push((await server.post('/api/auth/login/jwt', guess, from('192.0.2.1'))).status)
    }
  })
  t.ok(statuses.includes(503))
  const [counted] = await server.db.execute<{ failures: number }>(
    sql`select coalesce(sum(failures), 0)::int as failures from back_offs`,
  )
  t.equal(counted?.failures, statuses.filter((status) => status === 401).length)
})
