import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { createOperator } from '../fixtures/operator.ts'
import { PASSWORD } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const operator = createOperator(server.env)

const create = (email: string, ...more: string[]) => [
  'accounts',
  'create',
  '--email',
  email,
  ...more,
  '--password-stdin',
]

async function signIn(email: string, password: string) {
  const response = await server.post('/api/auth/login/jwt', { email, password })
  return { status: response.status, body: (await response.json()) as { accessToken: string } }
}

t.test('accounts create answers id, e-mail and role, and the account signs in', async (t) => {
  const answer = await operator.run<{ id: string }>(t, create('ada@example.com', '--name', 'Ada'), `${PASSWORD}\n`)
  t.strictSame(answer, { id: answer.id, email: 'ada@example.com', role: 'user' })
  t.match(answer.id, /^[0-9a-f-]{36}$/)
  t.match(await signIn('ada@example.com', PASSWORD), { status: 200, body: { user: { id: answer.id, role: 'USER' } } })
})

t.test('accounts create makes every role', async (t) => {
  for (const role of ['user', 'admin', 'service']) {
    const email = `${role}@example.com`
    t.match(await operator.run(t, create(email, '--role', role), PASSWORD), { email, role })
    t.match(await signIn(email, PASSWORD), { body: { user: { role: role.toUpperCase() } } })
  }
})

t.test('the password is the first line of standard input, exactly as it stands (ASVS V6.2.8)', async (t) => {
  const password = '  zwölf Wörter, "quoted" $HOME \\n  '
  await operator.run(t, create('exact@example.com'), `${password}\nanother line\n`)
  t.equal((await signIn('exact@example.com', password)).status, 200)
  t.equal((await signIn('exact@example.com', password.trim())).status, 401)
})

t.test('a password is never an argument', async (t) => {
  const args = ['accounts', 'create', '--email', 'argument@example.com']
  t.match(await operator.refused(t, args, PASSWORD), /--password-stdin is missing/)
  t.match(await operator.refused(t, [...args, '--password', PASSWORD]), /Unknown option '--password'/)
  const spelled = await operator.refused(t, [...args, `--password=${PASSWORD}`])
  t.match(spelled, /Unknown option '--password'/)
  t.notOk(spelled.includes(PASSWORD))
  t.equal((await signIn('argument@example.com', PASSWORD)).status, 401, 'and no account was made')
})

t.test('passwords that will not do are refused (ASVS V6.2.1, V6.2.11)', async (t) => {
  const args = create('weak@example.com')
  t.match(await operator.refused(t, args, ''), /A password has 8 to 256 characters/)
  t.match(await operator.refused(t, args, 'seven77\n'), /A password has 8 to 256 characters/)
  t.match(await operator.refused(t, args, `${'x1y2'.repeat(64)}z\n`), /A password has 8 to 256 characters/)
  t.match(await operator.refused(t, args, 'aaaaaaaaaaaa\n'), /too easy to guess/)
})

t.test('a bad e-mail, a taken e-mail and an unknown role are refused', async (t) => {
  for (const email of ['nobody', 'a@b', 'two words@example.com', '@example.com']) {
    t.match(await operator.refused(t, create(email), PASSWORD), /not an e-mail address/, email)
  }
  t.match(await operator.refused(t, ['accounts', 'create', '--password-stdin'], PASSWORD), /--email is missing/)
  await operator.run(t, create('taken@example.com'), PASSWORD)
  t.match(await operator.refused(t, create('Taken@Example.com'), PASSWORD), /account cannot be made/)
  const unknown = await operator.refused(t, create('root@example.com', '--role', 'root'), PASSWORD)
  t.match(unknown, /--role is one of user, admin, service/)
})

t.test('commands and requests use one database at the same time', async (t) => {
  const emails = ['one@example.com', 'two@example.com', 'three@example.com']
  const requests = Array.from({ length: 8 }, () => signIn('ada@example.com', PASSWORD))
  const answers = await Promise.all(emails.map((email) => operator.run(t, create(email), PASSWORD)))
  t.match(
    answers,
    emails.map((email) => ({ email })),
  )
  for (const { status } of await Promise.all(requests)) t.equal(status, 200)
})

t.test('accounts disable, enable and set-role count within a second', async (t) => {
  const { id } = await operator.run<{ id: string }>(t, create('changing@example.com'), PASSWORD)
  const { body } = await signIn('changing@example.com', PASSWORD)
  const me = async () => {
    const response = await server.fetch('/api/me', { headers: { authorization: `Bearer ${body.accessToken}` } })
    return { status: response.status, role: ((await response.json()) as { role?: string }).role }
  }
  t.equal((await me()).role, 'USER')
  t.strictSame(await operator.run(t, ['accounts', 'set-role', id, '--role', 'admin']), { id, role: 'admin' })
  t.equal((await eventually(me, ({ role }) => role === 'ADMIN')).role, 'ADMIN')
  t.strictSame(await operator.run(t, ['accounts', 'disable', id]), { id, disabled: true })
  t.equal((await eventually(me, ({ status }) => status === 401)).status, 401)
  t.equal((await signIn('changing@example.com', PASSWORD)).status, 401)
  await operator.run(t, ['accounts', 'enable', id])
  t.equal((await eventually(me, ({ status }) => status === 200)).status, 200)
  t.match(await operator.refused(t, ['accounts', 'disable', 'nobody']), /no such account/)
})
