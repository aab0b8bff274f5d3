import { randomUUID } from 'node:crypto'
import t from 'tap'
import { eventsOf } from '../fixtures/audit.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makeMachineAdministrator } from '../fixtures/machine-administrator.ts'
import { bearer, makeKey, makePerson, PASSWORD, signIn } from '../fixtures/people.ts'
import { meStatus } from '../fixtures/wire.ts'

interface Account {
  readonly id: string
  readonly email: string
  readonly name: string | null
  readonly role: string
  readonly disabled: boolean
  readonly createdAt: string
}

const server = await startGatehouse(t)
const admin = await makeMachineAdministrator(server)
const newEmail = () => `${randomUUID()}@example.com`
const nobody = `/accounts/${randomUUID()}`

t.test('an administrator makes an account, whose owner signs in with the first password', async (t) => {
  const email = newEmail()
  const input = { email, password: PASSWORD, name: ' Ada ', role: 'ADMIN' }
  let made = await admin.ask<Account>('GET', nobody)
  const events = await eventsOf(server.db, async () => {
    made = await admin.ask<Account>('POST', '/accounts', input)
  })
  const { id, createdAt } = made.body
  t.strictSame(made.body, { id, email, name: 'Ada', role: 'ADMIN', disabled: false, createdAt })
  t.match(made, { status: 201, location: `/api/admin/accounts/${id}`, etag: /^"[\w-]{22}"$/ })
  t.match(events, [
    {
      type: 'account.create',
      ...{ actorKind: 'client', actorId: admin.id, subjectId: id, credentialKind: 'access_token', clientId: admin.id },
    },
  ])
  t.notMatch(JSON.stringify(events), new RegExp(`${email}|${PASSWORD}`), 'neither e-mail nor password')
  const { accessToken } = await signIn(server, { email, password: PASSWORD })
  t.equal((await server.fetch('/api/admin/accounts', { headers: bearer(accessToken) })).status, 200)

  const read = await admin.ask<Account>('GET', `/accounts/${id}`)
  t.strictSame([read.body, read.etag], [made.body, made.etag])
})

t.test('one that cannot be made is written down too (ASVS V16.3.3)', async (t) => {
  const { email } = await makePerson(server)
  for (const more of [undefined, { 'idempotency-key': 'taken' }]) {
    const events = await eventsOf(server.db, async () => {
      const refused = await admin.ask('POST', '/accounts', { email, password: PASSWORD }, more)
      t.match(refused, { status: 409, body: { code: 'email_taken' } })
    })
    t.match(events, [
      { type: 'account.create', outcome: 'failure', actorId: admin.id, details: { reason: 'email_taken' } },
    ])
    t.notMatch(JSON.stringify(events), email)
  }
})

t.test('a service needs no password, a person does', async (t) => {
  const made = await admin.ask<Account>('POST', '/accounts', { email: newEmail(), role: 'SERVICE' })
  t.match(made, { status: 201, body: { role: 'SERVICE', name: null } })
  for (const role of [undefined, 'USER', 'ADMIN'])
    t.match(await admin.ask('POST', '/accounts', { email: newEmail(), role }), { status: 400 })
})

t.test('what will not do is refused, and nothing is made', async (t) => {
  const { email } = await makePerson(server)
  const before = (await admin.walk('/accounts', 'accounts', 200)).length
  const good = { email: newEmail(), password: PASSWORD }
  const taken = await admin.ask('POST', '/accounts', { ...good, email: ` ${email.toUpperCase()}` })
  t.match(taken, { status: 409, body: { code: 'email_taken' } })
  const wrong = [
    { ...good, password: 'short' },
    { ...good, password: 'password1234' },
    { ...good, email: 'nobody' },
    { ...good, role: 'admin' },
    { ...good, name: 'x'.repeat(201) },
    { ...good, id: randomUUID() },
    { password: PASSWORD },
    [good],
  ]
  for (const body of wrong) {
    const refused = await admin.ask('POST', '/accounts', body)
    t.match(refused, { status: 400, body: { code: 'invalid_request' } }, JSON.stringify(body))
  }
  t.equal((await admin.walk('/accounts', 'accounts', 200)).length, before)
})

t.test('accounts are listed in pages, by role and by e-mail address as a whole', async (t) => {
  const people = await Promise.all(Array.from({ length: 5 }, () => makePerson(server, 'service')))
  const all = await admin.walk<Account>('/accounts', 'accounts', 200)
  t.strictSame(await admin.walk('/accounts', 'accounts', 3), all)
  t.strictSame(
    await admin.walk('/accounts?role=SERVICE', 'accounts', 2),
    all.filter(({ role }) => role === 'SERVICE'),
  )
  const { id, email } = people[3] ?? { id: '', email: '' }
  const found = await admin.walk<Account>(`/accounts?email=${encodeURIComponent(email.toUpperCase())}`, 'accounts', 5)
  t.strictSame(
    found.map((account) => account.id),
    [id],
  )
  t.strictSame(await admin.walk('/accounts?email=nobody@example.com', 'accounts', 5), [])
  for (const query of [
    '?limit=0',
    '?limit=201',
    '?cursor=x',
    '?role=admin',
    '?email=',
    '?name=x',
    `?email=${email}&email=x`,
  ])
    t.equal((await admin.ask('GET', `/accounts${query}`)).status, 400, query)
})

t.test('an account that is disabled or gets another role is held to it on the next request', async (t) => {
  const person = await makePerson(server, 'admin')
  const path = `/accounts/${person.id}`
  const session = await signIn(server, person)
  const key = await makeKey(server, person, ['admin:read'])
  const listed = async (headers: Record<string, string>) => (await server.fetch('/api/admin/users', { headers })).status

  const read = await admin.ask<Account>('GET', path)
  const demoted = await admin.ask<Account>('PATCH', path, { role: 'USER' }, { 'if-match': read.etag })
  t.match(demoted, { status: 200, body: { role: 'USER', disabled: false } })
  t.not(demoted.etag, read.etag)
  t.strictSame([await listed(bearer(session.accessToken)), await listed({ 'x-api-key': key.apiKey })], [403, 403])

  const change = { disabled: true, name: null }
  const events = await eventsOf(server.db, async () => {
    const disabled = await admin.ask<Account>('PATCH', path, change, { 'if-match': demoted.etag })
    t.match(disabled, { status: 200, body: { disabled: true, name: null, role: 'USER' } })
    t.match(await admin.ask('PATCH', path, change, { 'if-match': disabled.etag }), { status: 200 }, 'no change at all')
  })
  const actor = { actorKind: 'client', actorId: admin.id, subjectId: person.id }
  const changes = events.filter(({ type }) => type.startsWith('account.'))
  t.match(changes, [
    { type: 'account.rename', ...actor },
    { type: 'account.disable', ...actor },
  ])
  t.equal(changes.length, 2)
  t.equal(await meStatus(server, session.accessToken), 401)
  const enabled = await admin.ask('PATCH', path, { disabled: false }, { 'if-match': '*' })
  t.match(enabled, { status: 200, body: { disabled: false } })
  t.equal(await meStatus(server, session.accessToken), 200)
})

t.test('what is not there, or no change, is refused', async (t) => {
  const { id } = await makePerson(server)
  const any = { 'if-match': '*' }
  t.match(await admin.ask('GET', nobody), { status: 404, body: { code: 'not_found' } })
  t.match(await admin.ask('PATCH', nobody, {}, any), { status: 404, body: { code: 'not_found' } })
  t.equal((await admin.ask('GET', '/accounts/me')).status, 400)
  for (const body of [
    { email: newEmail() },
    { password: PASSWORD },
    { role: null },
    { disabled: 'yes' },
    { id },
    [],
    null,
  ])
    t.equal((await admin.ask('PATCH', `/accounts/${id}`, body, any)).status, 400, JSON.stringify(body))
})
