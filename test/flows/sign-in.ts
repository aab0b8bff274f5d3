import { randomUUID } from 'node:crypto'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { accounts } from '../../src/database/schema.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { prolongPauses } from '../fixtures/guessing.ts'
import { makePerson, PASSWORD } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)

const attempt = (email: string, password: string, headers?: Record<string, string>) =>
  server.post('/api/auth/login/jwt', { email, password }, headers)

t.test('who registers has an account with the role USER, and can sign in', async (t) => {
  const email = `${randomUUID()}@example.com`
  const response = await server.post('/api/auth/register', { email, password: PASSWORD, name: 'Grace' })
  t.equal(response.status, 201)
  const body = (await response.json()) as { message: string; user: { id: string } }
  t.strictSame(Object.keys(body).sort(), ['message', 'user'])
  t.match(body.message, /./)
  t.strictSame(body.user, { id: body.user.id, email, name: 'Grace', role: 'USER' })
  t.match((await (await attempt(email, PASSWORD)).json()) as object, { user: { id: body.user.id } })
})

t.test('a name is not required to register', async (t) => {
  const response = await server.post('/api/auth/register', { email: `${randomUUID()}@example.com`, password: PASSWORD })
  t.equal(response.status, 201)
  t.match(await response.json(), { user: { name: null } })
})

t.test('the password is in the database as an Argon2id hash only (ASVS V11.4.2)', async (t) => {
  const [row] = await server.db.select().from(accounts).where(eq(accounts.id, person.id))
  t.match(row?.passwordHash, /^\$argon2id\$v=19\$/)
  t.notMatch(JSON.stringify(row), person.password)
})

t.test('e-mails are compared without regard to case, to spaces around and in NFKC', async (t) => {
  const id = randomUUID()
  const email = `Zoë.${id}@Example.com`
  t.equal((await server.post('/api/auth/register', { email, password: PASSWORD })).status, 201)
  const spellings = [
    email,
    email.toLowerCase(),
    email.toUpperCase(),
    ` ${email} `,
    email.normalize('NFD'),
    `ｚｏë.${id}@example.com`,
  ]
  t.equal(new Set(spellings).size, spellings.length)
  for (const spelling of spellings) {
    t.equal((await attempt(spelling, PASSWORD)).status, 200, spelling)
    t.equal((await server.post('/api/auth/register', { email: spelling, password: PASSWORD })).status, 409, spelling)
  }
})

t.test('of many who register one e-mail at once, one gets the account', async (t) => {
  const details = { email: `${randomUUID()}@example.com`, password: PASSWORD }
  const answers = await Promise.all(Array.from({ length: 10 }, () => server.post('/api/auth/register', details)))
  t.strictSame(answers.map(({ status }) => status).sort(), [201, ...Array.from({ length: 9 }, () => 409)])
})

t.test('a password is compared exactly as received (ASVS V6.2.8)', async (t) => {
  const email = `${randomUUID()}@example.com`
  const password = `  Päss ${'x'.repeat(80)} end  `
  t.equal((await server.post('/api/auth/register', { email, password })).status, 201)
  t.equal((await attempt(email, password)).status, 200)
  for (const other of [password.trim(), password.toLowerCase(), password.slice(0, 72), password.normalize('NFD')]) {
    t.equal((await attempt(email, other)).status, 401, JSON.stringify(other))
  }
})

t.test('a wrong password and an unknown e-mail get the same answer (ASVS V6.3.8)', async (t) => {
  const wrong = await attempt(person.email, 'not the password')
  const unknown = await attempt(`${randomUUID()}@example.com`, 'not the password')
  t.equal(wrong.status, 401)
  t.match(wrong.headers.get('www-authenticate'), /^Bearer resource_metadata="[^"]+"$/, 'RFC 9110 15.5.2')
  t.equal(unknown.status, wrong.status)
  const body = await wrong.text()
  t.equal(await unknown.text(), body)
  t.match(JSON.parse(body), { code: 'invalid_sign_in' })
  const told = (response: Response) => [...response.headers].filter(([name]) => name !== 'date')
  t.strictSame(told(unknown), told(wrong), 'in the headers too')
})

t.test('who guesses is slowed down; the owner on another network gets in (ASVS V6.3.1)', async (t) => {
  const behindProxy = await startGatehouse(t, { beside: server, env: { TRUST_PROXY: '127.0.0.1' } })
  const from = (address: string, email: string, password: string) =>
    behindProxy.post('/api/auth/login/jwt', { email, password }, { 'x-forwarded-for': address })
  const owner = await makePerson(server)

  const guesses = await Promise.all(Array.from({ length: 30 }, () => from('192.0.2.1', owner.email, 'a wrong guess')))
  const refused = guesses.filter(({ status }) => status === 429)
  const judged = guesses.filter(({ status }) => status === 401).length
  t.ok(judged >= 5, `five are judged, also when they come at once, and more only after a wait: ${judged}`)
  t.ok(refused.length > 0)
  t.match(await refused[0]?.json(), { status: 429, code: 'too_many_attempts' })
  for (const { headers } of refused) {
    t.match(headers.get('retry-after'), /^[1-9]\d*$/, 'RFC 6585 4')
    t.match(headers.get('content-type'), /^application\/problem\+json/)
  }
  while ((await from('192.0.2.1', owner.email, 'a wrong guess')).status !== 429);
  await prolongPauses(server)
  t.equal((await from('192.0.2.1', owner.email, owner.password)).status, 429, 'even with the right password')
  t.equal((await from('198.51.100.7', owner.email, owner.password)).status, 200)
  t.equal((await from('192.0.2.1', person.email, person.password)).status, 200, 'neighbours are let in')

  const fullWidth = owner.email.replace('u', 'ｕ')
  t.equal((await from('192.0.2.1', fullWidth, 'a wrong guess')).status, 429, 'another spelling is the same account')
})

t.test('X-Forwarded-For is not believed from just anyone (RFC 9700 4.13)', async (t) => {
  const { email } = await makePerson(server)
  const guess = async (i: number) =>
    (await attempt(email, 'a wrong guess', { 'x-forwarded-for': `192.0.2.${i}` })).status
  for (let i = 0; i < 5; i += 1) t.equal(await guess(i), 401)
  await prolongPauses(server)
  t.equal(await guess(6), 429)
})

t.test('successful sign-ins are not counted', async (t) => {
  const { email, password } = await makePerson(server)
  for (let i = 0; i < 12; i += 1) t.equal((await attempt(email, password)).status, 200)
})

t.test('bursts of good sign-ins leave nothing behind that counts against the next', async (t) => {
  const { email, password } = await makePerson(server)
  for (let i = 0; i < 3; i += 1) {
    const burst = await Promise.all(Array.from({ length: 15 }, () => attempt(email, password)))
    t.ok(burst.every(({ status }) => status === 200))
  }
  t.equal((await attempt(email, password)).status, 200)
})

t.test('with SIGN_UP=closed nobody registers, but who has an account signs in', async (t) => {
  const closed = await startGatehouse(t, { beside: server, env: { SIGN_UP: 'closed' } })
  const email = `${randomUUID()}@example.com`
  const response = await closed.post('/api/auth/register', { email, password: PASSWORD })
  t.equal(response.status, 403)
  t.match(await response.json(), { code: 'sign_up_closed' })
  t.equal((await attempt(email, PASSWORD)).status, 401)
  t.equal((await closed.post('/api/auth/login/jwt', { email: person.email, password: person.password })).status, 200)
})
