import { eq, inArray } from 'drizzle-orm'
import t from 'tap'
import { accounts } from '../../src/database/schema.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, type Person, signIn } from '../fixtures/people.ts'

interface Page {
  readonly users: { id: string; email: string; role: string; createdAt: string }[]
  readonly next?: string
}

const server = await startGatehouse(t)
const admin = await makePerson(server, 'admin')
const headers = bearer((await signIn(server, admin)).accessToken)
const people: Person[] = [admin]
for (let i = 0; i < 11; i += 1) people.push(await makePerson(server))
const idsOf = (members: readonly { id: string }[]) => members.map(({ id }) => id)

const ask = (query: string) => server.fetch(`/api/admin/users${query}`, { headers })

async function pageOf(query: string): Promise<Page> {
  const response = await ask(query)
  if (response.status !== 200) throw new Error(`${query}: ${response.status} ${await response.text()}`)
  return (await response.json()) as Page
}

/** Follows `next` to the end; `between` runs after each page. */
async function walk(limit: number, between = async () => {}): Promise<Page[]> {
  const pages = [await pageOf(`?limit=${limit}`)]
  for (let next = pages[0]?.next; next !== undefined; next = pages.at(-1)?.next) {
    await between()
    pages.push(await pageOf(`?limit=${limit}&cursor=${next}`))
  }
  return pages
}

t.test('an administrator sees every account, without secrets', async (t) => {
  const page = await pageOf('')
  t.strictSame(Object.keys(page), ['users'], 'no next where there is no more')
  t.strictSame(idsOf(page.users).sort(), idsOf(people).sort())
  const { id, email, name, createdAt } = admin
  t.strictSame(page.users[0], { id, email, name, role: 'ADMIN', createdAt: createdAt.toISOString() })
  t.notMatch(JSON.stringify(page), /argon2|password|digest/i)
})

t.test('pages of any size are complete, without doubles and in one order', async (t) => {
  const all = idsOf((await pageOf('')).users)
  for (const limit of [1, 2, 5, 11, 12, 13, 200]) {
    const pages = await walk(limit)
    t.strictSame(idsOf(pages.flatMap(({ users }) => users)), all, `limit=${limit}`)
    t.ok(pages.slice(0, -1).every(({ users }) => users.length === limit))
    t.equal(pages.length, Math.ceil(all.length / limit))
  }
})

t.test('accounts made in the same instant are neither lost nor doubled', async (t) => {
  const twins = idsOf(people.slice(2, 8))
  await server.db.update(accounts).set({ createdAt: admin.createdAt }).where(inArray(accounts.id, twins))
  const walked = idsOf((await walk(2)).flatMap(({ users }) => users))
  t.strictSame([...walked].sort(), idsOf(people).sort())
})

t.test('an account that is made or deleted meanwhile shifts nothing', async (t) => {
  const gone = people.pop()
  const before = new Set(idsOf(people))
  const made: Person[] = []
  const pages = await walk(3, async () => {
    made.push(await makePerson(server))
    if (gone !== undefined) await server.db.delete(accounts).where(eq(accounts.id, gone.id))
  })
  const walked = idsOf(pages.flatMap(({ users }) => users))
  t.equal(new Set(walked).size, walked.length, 'nobody twice')
  t.strictSame(walked.filter((id) => before.has(id)).sort(), [...before].sort(), 'nobody left out')
})

t.test('a limit or a cursor that will not do is refused', async (t) => {
  const cursor = (text: string) => `?cursor=${Buffer.from(text).toString('base64url')}`
  const instant = admin.createdAt.toISOString()
  const queries = [
    ...['0', '-1', '201', '1000', '1.5', '1e2', 'x', '', '%00', '10&limit=20'].map((limit) => `?limit=${limit}`),
    ...['', 'x', '%00', '%ff', `${'A'.repeat(301)}`].map((text) => `?cursor=${text}`),
    cursor(''),
    cursor('no instant'),
    cursor(instant),
    cursor(`${instant} x`),
    cursor(`${instant} ${'-'.repeat(36)}`),
    cursor(`${instant} ${admin.id}'--`),
    cursor(`+275760-09-13T00:00:00.000Z ${admin.id}`),
    cursor(`-000001-01-01T00:00:00.000Z ${admin.id}`),
    cursor(`0000-01-01T00:00:00.000Z ${admin.id}`),
    cursor(`1 ${admin.id}`),
    '?offset=1',
    '?order=password_hash',
  ]
  for (const query of queries) {
    const refused = await ask(query)
    t.equal(refused.status, 400, query)
    t.match(await refused.json(), { code: 'invalid_request' })
  }
})
