import { randomUUID } from 'node:crypto'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { MAX_API_KEYS } from '../../src/api-keys/api-keys.ts'
import { apiKeys } from '../../src/database/schema.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const DAY = 24 * 60 * 60 * 1000

/** An account with as many live keys as said, besides some that are dead. */
async function withKeys(live: number) {
  const person = await makePerson(server)
  const rows = Array.from({ length: live + 20 }, (_, i) => ({
    id: randomUUID(),
    accountId: person.id,
    name: 'a script',
    digest: randomUUID(),
    prefix: 'gk_live_none',
    scope: ['keys:read'],
    expiresAt: new Date(Date.now() + (i < live + 10 ? DAY : -DAY)),
    revokedAt: i >= live && i < live + 10 ? new Date(Date.now() - DAY) : null,
  }))
  await server.db.insert(apiKeys).values(rows)
  const headers = bearer((await signIn(server, person)).accessToken)
  const generate = () => server.post('/api/auth/apikey/generate', { name: 'one more' }, headers)
  return { person, headers, generate, first: rows[0]?.id }
}

t.test('an account has a limited number of live keys, also when they are asked for at once (CWE-770)', async (t) => {
  const { generate, person } = await withKeys(MAX_API_KEYS - 3)
  const answers = await Promise.all(Array.from({ length: 10 }, generate))
  t.same(answers.map(({ status }) => status).sort(), [201, 201, 201, ...Array(7).fill(409)])
  const refused = answers.find(({ status }) => status === 409)
  t.match(refused?.headers.get('content-type'), 'application/problem+json')
  t.match(await refused?.json(), { code: 'too_many_api_keys', status: 409, detail: /at most 1000 live keys/ })
  t.equal(await server.db.$count(apiKeys, eq(apiKeys.accountId, person.id)), MAX_API_KEYS + 20)

  const another = await withKeys(0)
  t.equal((await another.generate()).status, 201, 'each account has its own')
})

t.test('at the limit a key is replaced or revoked, but not doubled', async (t) => {
  const { generate, headers, first } = await withKeys(MAX_API_KEYS)
  t.equal((await generate()).status, 409)
  const rotate = (overlapSeconds: number) => server.post(`/api/keys/${first}/rotate`, { overlapSeconds }, headers)
  t.equal((await rotate(60)).status, 409, 'two that live at the same time are one too many')
  t.equal((await rotate(0)).status, 201)
  t.equal((await generate()).status, 409)
  const { id } = (await (
    await server.fetch('/api/keys', { headers })
  )
    .json()
    .then((body) => (body as { keys: object[] }).keys[0])) as { id: string }
  t.equal((await server.fetch(`/api/keys/${id}`, { method: 'DELETE', headers })).status, 200)
  t.equal((await generate()).status, 201)
})
