import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, makeClient } from '../fixtures/clients.ts'
import { makeKnownDevice, passPauses, prolongPauses, startSharing, tryPassword } from '../fixtures/guessing.ts'
import { makePerson } from '../fixtures/people.ts'

const [server, beside] = await startSharing(t)
const either = (i: number) => (i % 2 === 0 ? server : beside)
const wrong = 'a wrong guess'
const statusesOf = (responses: Response[]) => responses.map(({ status }) => status)

t.test('a hundred tries on one account from many addresses (ASVS V6.3.1, V6.1.1)', async (t) => {
  const owner = await makePerson(server)
  const device = await makeKnownDevice(server, owner)
  const responses: Response[] = []
  for (let i = 0; i < 100; i += 1) {
    responses.push(await tryPassword(either(i), `192.0.2.${i}`, { ...owner, password: wrong }))
  }
  const statuses = statusesOf(responses)
  t.equal(statuses.indexOf(429), 50, 'fifty are judged, by two processes together')
  t.ok(statuses.slice(50).every((status) => status === 429))
  t.match(responses.at(-1)?.headers.get('retry-after'), /^[1-9]\d*$/, 'RFC 6585 4')
  for (const each of [server, beside]) {
    const strange = await tryPassword(each, '203.0.113.5', owner)
    t.equal(strange.status, 429, 'the right password is told nothing on a device nobody knows')
    t.equal((await tryPassword(each, '203.0.113.5', owner, device)).status, 200, 'the owner is let in on a known one')
  }
  t.equal((await tryPassword(server, '192.0.2.1', await makePerson(server))).status, 200, 'and so are all others')
})

t.test('one address on a hundred accounts', async (t) => {
  const [owner, neighbour] = [await makePerson(server), await makePerson(server)]
  const device = await makeKnownDevice(server, owner)
  const statuses: number[] = []
  for (let i = 0; i < 100; i += 1) {
    const email = `${randomUUID()}@example.com`
    statuses.push((await tryPassword(either(i), '203.0.113.77', { email, password: wrong })).status)
  }
  t.equal(statuses.indexOf(429), 60, 'sixty are judged, by two processes together')
  t.ok(statuses.slice(60).every((status) => status === 429))
  t.equal((await tryPassword(beside, '203.0.113.77', neighbour)).status, 429)
  t.equal((await tryPassword(beside, '203.0.113.78', neighbour)).status, 200, 'another network is not concerned')
  t.equal((await tryPassword(beside, '203.0.113.77', owner, device)).status, 200, 'nor a known device in this one')
})

t.test('who fails has to wait, longer each time, and starts over after a success', async (t) => {
  const owner = await makePerson(server)
  const attempt = (password: string, i = 0) => tryPassword(either(i), '192.0.2.200', { ...owner, password })
  for (let i = 0; i < 5; i += 1) t.equal((await attempt(wrong, i)).status, 401)
  for (let i = 0; i < 4; i += 1) {
    await prolongPauses(server)
    const refused = await attempt(owner.password, 1)
    t.equal(refused.status, 429, 'also with the right password, at the other process')
    t.match(refused.headers.get('retry-after'), /^[1-9]\d*$/, 'RFC 6585 4')
    await passPauses(server)
    t.equal((await attempt(wrong)).status, 401, 'after the wait one more is judged')
  }
  t.equal((await tryPassword(server, '192.0.2.201', owner)).status, 200, 'the owner in another network does not wait')
  await passPauses(server)
  t.equal((await attempt(owner.password)).status, 200)
  for (let i = 0; i < 5; i += 1) t.equal((await attempt(wrong, i)).status, 401, 'the failures before are forgotten')
})

t.test('a /64 of IPv6 is one network', async (t) => {
  const owner = await makePerson(server)
  for (let i = 1; i <= 5; i += 1) await tryPassword(server, `2001:db8::${i}`, { ...owner, password: wrong })
  await prolongPauses(server)
  t.equal((await tryPassword(server, '2001:db8::9', owner)).status, 429)
  t.equal((await tryPassword(server, '2001:db8:0:1::9', owner)).status, 200)
})

t.test('the sign-in page counts with the API, and knows a device', async (t) => {
  const owner = await makePerson(server)
  const client = await makeClient(server)
  const [known, strange] = [new Browser(server), new Browser(server)]
  const openPage = async (browser: Browser) =>
    browser.goto((await authorizationRequest(client, { prompt: 'login' })).url.href)
  const submit = async (browser: Browser, password: string) => {
    const page = await openPage(browser)
    return browser.submit(page, page.form('/login'), { email: owner.email, password })
  }
  t.match((await submit(known, owner.password)).html, /consent|Allow/)
  t.ok(known.cookies.has('gatehouse_device'))

  for (let i = 0; i < 5; i += 1) await tryPassword(server, '127.0.0.1', { ...owner, password: wrong })
  await prolongPauses(server)
  const refused = await submit(strange, owner.password)
  t.equal(refused.status, 429)
  t.match(refused.headers.get('retry-after'), /^[1-9]\d*$/)
  t.match(refused.html, /Too many attempts/)
  t.notMatch((await submit(known, owner.password)).html, /Too many attempts/)
})

t.test('what is counted is kept until its time has passed, and no longer', async (t) => {
  const rows = await server.db.execute<{ key: string }>(sql`select key from attempts where expires_at is null`)
  t.strictSame([...rows], [])
  const digests = await server.db.execute<{ key: string }>(sql`select key from attempts`)
  t.ok(digests.length > 0)
  t.ok(
    digests.every(({ key }) => /^[a-z_]+:[\w-]{43}$/.test(key)),
    'no address and no e-mail is in a key',
  )
})
