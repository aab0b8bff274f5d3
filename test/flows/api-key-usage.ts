import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, PASSWORD, signIn } from '../fixtures/people.ts'
import { makeDirectory, startServer } from '../fixtures/processes.ts'
import { countQueries } from '../fixtures/queries.ts'

interface Used {
  readonly id: string
  readonly useCount: number
  readonly lastUsedAt: string | null
  readonly lastUsedFrom: string | null
}

const server = await startGatehouse(t)
const person = await makePerson(server)
const owner = bearer((await signIn(server, person)).accessToken)
/** Another process, which by itself writes down every `seconds`, and believes what the test says of its address. */
const startBeside = (seconds: number) =>
  startGatehouse(t, {
    beside: server,
    env: { USAGE_INTERVAL_SECONDS: String(seconds), TRUST_PROXY: '127.0.0.1' },
  })
const USAGE = /\buse_count \+/

async function use(at: Gatehouse, apiKey: string, times = 1, from = '192.0.2.1') {
  const headers = { 'x-api-key': apiKey, 'x-forwarded-for': from }
  const statuses = Array.from({ length: times }, async () => (await at.fetch('/api/me', { headers })).status)
  t.strictSame(new Set(await Promise.all(statuses)), new Set([200]))
}

async function seen(id: string): Promise<Used | undefined> {
  const response = await server.fetch('/api/keys', { headers: owner })
  return ((await response.json()) as { keys: Used[] }).keys.find((key) => key.id === id)
}

t.test('however many requests, they are written down in one statement, at shutdown at the latest', async (t) => {
  const other = await startBeside(3_600)
  const [often, once] = [await makeKey(server, person), await makeKey(server, person)]
  t.match(await seen(often.id), { useCount: 0, lastUsedAt: null })
  const during = await countQueries(other, () => use(other, often.apiKey, 300), USAGE)
  t.equal(during, 0)
  await use(other, once.apiKey)
  t.equal(await countQueries(other, () => other.app.close(), USAGE), 1)
  t.match(await seen(often.id), { useCount: 300, lastUsedFrom: '192.0.2.1' })
  t.match(await seen(once.id), { useCount: 1 })
})

t.test('there is at most one statement an interval, and none when nothing was used', async (t) => {
  const other = await startBeside(1)
  const { apiKey, id } = await makeKey(server, person)
  const start = performance.now()
  let uses = 0
  const statements = await countQueries(
    other,
    async () => {
      while ((await seen(id))?.useCount === 0) {
        await use(other, apiKey, 50)
        uses += 50
      }
      await eventually(
        () => seen(id),
        (key) => key?.useCount === uses,
        10_000,
      )
    },
    USAGE,
  )
  t.ok(statements >= 1 && statements <= Math.ceil((performance.now() - start) / 1_000), `${statements} statements`)
  t.match(await seen(id), { useCount: uses })
  t.equal(await countQueries(other, () => other.app.close(), USAGE), 0)
})

t.test('only what a key was admitted to counts', async (t) => {
  const other = await startBeside(3_600)
  const { apiKey, id } = await makeKey(server, person)
  await use(other, apiKey)
  t.equal((await other.fetch('/api/admin/users', { headers: { 'x-api-key': apiKey } })).status, 403)
  t.equal((await other.fetch('/healthz', { headers: { 'x-api-key': apiKey } })).status, 200)
  t.equal((await other.fetch('/api/me', { headers: { 'x-api-key': `${apiKey}x` } })).status, 401)
  await other.app.close()
  t.match(await seen(id), { useCount: 1 })
})

t.test('the uses of two processes add up, and the later stays the last whoever tells first', async (t) => {
  const [one, two] = [await startBeside(3_600), await startBeside(3_600)]
  const { apiKey, id } = await makeKey(server, person)
  await use(one, apiKey, 3, '192.0.2.1')
  const between = Date.now()
  await use(two, apiKey, 4, '192.0.2.2')
  await two.app.close()
  const before = await seen(id)
  t.match(before, { useCount: 4, lastUsedFrom: '192.0.2.2' })
  t.ok(Date.parse(before?.lastUsedAt ?? '') >= between)
  await one.app.close()
  t.strictSame(await seen(id), { ...before, useCount: 7 })
})

t.test('what could not be written down is written with the next', async (t) => {
  const other = await startBeside(1)
  const { apiKey, id } = await makeKey(server, person)
  const failed = () => other.log.filter((line) => line.includes('writing down how keys were used failed'))
  await server.db.execute(sql`alter table api_keys rename column use_count to away`)
  await use(other, apiKey, 5)
  const failures = await eventually(
    async () => failed(),
    ({ length }) => length > 1,
    10_000,
  )
  t.ok(failures.length > 1, 'and tried again')
  await use(other, apiKey, 2, '192.0.2.3')
  await server.db.execute(sql`alter table api_keys rename column away to use_count`)
  const made = await eventually(
    () => seen(id),
    (key) => key?.useCount === 7,
    10_000,
  )
  t.match(made, { useCount: 7, lastUsedFrom: '192.0.2.3' })
})

t.test('SIGTERM loses no use', async (t) => {
  const env = { DATA_DIR: join(await makeDirectory(t), 'data'), USAGE_INTERVAL_SECONDS: '3600' }
  const body = { email: 'ada@example.com', password: PASSWORD }
  const ask = async <Answer>(url: string, path: string, headers: Record<string, string>, sent?: object) => {
    const json = { 'content-type': 'application/json', ...headers }
    const init = sent === undefined ? { headers } : { method: 'POST', headers: json, body: JSON.stringify(sent) }
    return (await (await fetch(`${url}${path}`, init)).json()) as Answer
  }
  const first = await startServer(t, env)
  await ask(first.url, '/api/auth/register', {}, { ...body, name: 'Ada' })
  const { accessToken } = await ask<{ accessToken: string }>(first.url, '/api/auth/login/jwt', {}, body)
  const generate = { name: 'a script' }
  const { apiKey } = await ask<{ apiKey: string }>(
    first.url,
    '/api/auth/apikey/generate',
    bearer(accessToken),
    generate,
  )
  for (let i = 0; i < 9; i += 1) await ask(first.url, '/api/me', { 'x-api-key': apiKey })
  t.equal((await first.stop('SIGTERM')).code, 0)

  const second = await startServer(t, env)
  t.match(await ask(second.url, '/api/keys', { 'x-api-key': apiKey }), { keys: [{ useCount: 9 }] })
  await second.stop()
})
