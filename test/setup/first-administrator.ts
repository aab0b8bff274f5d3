import t from 'tap'
import { accounts } from '../../src/database/schema.ts'
import { offerFirstAdministrator } from '../../src/setup/first-administrator.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson, PASSWORD } from '../fixtures/people.ts'

t.test('the link to make the first administrator is over once there is one, however made', async (t) => {
  const server = await startGatehouse(t)
  const token = (await offerFirstAdministrator(server.db, new Date())) ?? ''
  t.equal((await server.fetch(`/setup?token=${token}`)).status, 200)
  await makePerson(server, 'admin')
  t.equal((await server.fetch(`/setup?token=${token}`)).status, 400)
  const body = new URLSearchParams({ token, email: 'intruder@example.com', password: PASSWORD })
  t.equal((await server.fetch('/setup', { method: 'POST', body })).status, 400)
  t.equal(await offerFirstAdministrator(server.db, new Date()), undefined)
})

t.test('there is no account to begin with, and none that everybody knows (ASVS V6.3.2)', async (t) => {
  const server = await startGatehouse(t)
  t.equal(await server.db.$count(accounts), 0)
  for (const email of ['admin', 'admin@example.com', 'admin@localhost', 'root', 'test@example.com']) {
    for (const password of ['admin', 'password', 'gatehouse', 'changeme', 'root', '']) {
      const { status } = await server.post('/api/auth/login/jwt', { email, password })
      t.ok(status === 401 || status === 400 || status === 429, `${email}: ${status}`)
    }
  }
})
