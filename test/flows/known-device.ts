import t from 'tap'
import { createKnownDevices } from '../../src/secrets/known-devices.ts'
import { createSealer } from '../../src/secrets/sealed.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { BEHIND_PROXY, makeKnownDevice, prolongPauses, tryPassword } from '../fixtures/guessing.ts'
import { makePerson } from '../fixtures/people.ts'

const server = await startGatehouse(t, { env: BEHIND_PROXY })
const wrong = 'a wrong guess'

/** An account that has to wait in a network. */
async function makeGuessed(address: string) {
  const owner = await makePerson(server)
  for (let i = 0; i < 5; i += 1) await tryPassword(server, address, { ...owner, password: wrong })
  await prolongPauses(server)
  return owner
}

t.test('a browser is known after a sign-in, by a cookie that no script reads; a script gets none', async (t) => {
  const owner = await makePerson(server)
  const response = await tryPassword(server, '192.0.2.1', owner, '')
  const [line = ''] = response.headers.getSetCookie().filter((cookie) => cookie.startsWith('gatehouse_device='))
  t.match(line, /; HttpOnly/)
  t.match(line, /; SameSite=Lax/)
  t.match(line, /; Expires=/)
  t.notMatch(decodeURIComponent(line), owner.email)
  const script = await tryPassword(server, '192.0.2.1', owner)
  t.strictSame(script.headers.getSetCookie(), [])
  t.equal(script.status, 200, 'and signs in without one')
})

t.test('a value is good for one account, while it is whole and for a year', async (t) => {
  const devices = createKnownDevices(createSealer([new Uint8Array(32).fill(1)]))
  const now = new Date()
  const { value, expires } = devices.remember('ada@example.com', now)
  const device = devices.recognise(value, 'ada@example.com', now)
  t.match(device, /./)
  t.equal(devices.recognise(value, 'eve@example.com', now), undefined)
  t.equal(devices.recognise(value, 'ada@example.com', expires), undefined)
  const [id = '', until = '', signature = ''] = value.split('.')
  const altered = [
    `${id}.${Number(until) + 1}.${signature}`,
    `${id}.${until}.${'A'.repeat(43)}`,
    `${value}A`,
    id,
    '',
    '..',
  ]
  for (const each of altered) t.equal(devices.recognise(each, 'ada@example.com', now), undefined, each)
  const rotated = createKnownDevices(createSealer([new Uint8Array(32).fill(2), new Uint8Array(32).fill(1)]))
  t.equal(rotated.recognise(value, 'ada@example.com', now), device, 'also under a key that no longer signs')
  const other = createKnownDevices(createSealer([new Uint8Array(32).fill(2)]))
  t.equal(other.recognise(value, 'ada@example.com', now), undefined)
})

t.test('the cookie of another account, or none of ours, opens nothing', async (t) => {
  const owner = await makeGuessed('192.0.2.10')
  const another = await makeKnownDevice(server, await makePerson(server))
  for (const cookie of [another, 'gatehouse_device=x', 'gatehouse_device=']) {
    t.equal((await tryPassword(server, '192.0.2.10', owner, cookie)).status, 429, cookie)
  }
})

t.test('the cookie is no credential: the password is asked for', async (t) => {
  const owner = await makePerson(server)
  const device = await makeKnownDevice(server, owner)
  t.equal((await tryPassword(server, '192.0.2.11', { ...owner, password: wrong }, device)).status, 401)
  t.equal((await server.fetch('/api/me', { headers: { cookie: device } })).status, 401)
})

t.test('a stolen cookie is limited too, wherever it is used (OWASP device cookies)', async (t) => {
  const owner = await makePerson(server)
  const device = await makeKnownDevice(server, owner)
  const statuses: number[] = []
  for (let i = 0; i < 12; i += 1) {
    statuses.push((await tryPassword(server, '192.0.2.12', { ...owner, password: wrong }, device)).status)
    await prolongPauses(server)
  }
  t.equal(statuses.indexOf(429), 10, 'five on the device, five as on any')
  const elsewhere = await tryPassword(server, '192.0.2.13', owner, device)
  t.equal(elsewhere.status, 200, 'the owner elsewhere is as good as on a device nobody knows')
})
