import t from 'tap'
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
