import t from 'tap'
import { eventsOf } from '../fixtures/audit.ts'
import { makeClient } from '../fixtures/clients.ts'
import { atDevicePage, begin, openRequest, poll, type } from '../fixtures/device.ts'
import { dumpDatabase } from '../fixtures/dump.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const client = await makeClient(server, { type: 'native', name: 'Meadow TV', redirectUris: [] })

t.test('whoever opens a code first is the one who answers it (RFC 8628 5.4, CVE-2026-45337)', async (t) => {
  const person = await makePerson(server)
  const { device_code, user_code } = await begin(client)
  const owner = await openRequest(server, person, user_code)
  t.match(owner.page.html, /Meadow TV/)

  const thief = await makePerson(server)
  for (const somebody of [thief, person]) {
    const { browser, page } = await openRequest(server, somebody, user_code)
    t.equal(page.status, 400, 'the code is not good anywhere else, also for the same person')
    t.match(page.html, /That code is not good/)
    t.notMatch(page.html, /Meadow TV/, 'nor does it tell whose it is')
    const path = new URL(owner.page.url).pathname
    t.equal((await browser.goto(path)).status, 400, 'nor the address of the question')
    for (const answer of ['allow', 'deny']) {
      const headers = { origin: server.url, 'sec-fetch-site': 'same-origin' }
      const response = await browser.request(`${path}/${answer}`, {
        method: 'POST',
        headers,
        body: new URLSearchParams(),
      })
      t.equal(response.status, 400, answer)
      t.match(await response.text(), /answered already, or is too old/)
    }
  }
  t.match(await (await poll(server, client, device_code)).json(), { error: 'authorization_pending' })
  await owner.browser.submit(owner.page, owner.page.form('/allow'))
  const tokens = (await (await poll(server, client, device_code)).json()) as { access_token: string }
  const me = await server.fetch('/api/me', { headers: bearer(tokens.access_token) })
  t.match(await me.json(), { subject: { id: person.id } })
})

t.test('a link that brings the code along decides nothing (RFC 8628 3.3.1, 5.4)', async (t) => {
  const person = await makePerson(server)
  const { verification_uri_complete = '', user_code, device_code } = await begin(client)
  const { browser, page } = await atDevicePage(server, person, verification_uri_complete)
  t.match(page.html, `value="${user_code}"`, 'it is shown, to compare it with the device')
  const other = await openRequest(server, await makePerson(server), user_code)
  t.match(other.page.html, /Meadow TV/, 'whoever only followed the link has not opened it')
  t.equal((await type(browser, page, user_code)).status, 400)
  t.match(await (await poll(server, client, device_code)).json(), { error: 'authorization_pending' })
})

t.test('no other site answers for a person (RFC 9700 4.7)', async (t) => {
  const person = await makePerson(server)
  const { device_code, user_code } = await begin(client)
  const { browser, page } = await openRequest(server, person, user_code)
  const { action } = page.form('/allow')
  const foreign: Record<string, string>[] = [
    { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    { origin: 'null', 'sec-fetch-site': 'cross-site' },
    {},
  ]
  for (const path of [action, '/device', '/requests/sign-in']) {
    for (const headers of foreign) {
      const body = new URLSearchParams({ user_code })
      t.equal((await browser.request(path, { method: 'POST', headers, body })).status, 403, path)
    }
  }
  t.match(await (await poll(server, client, device_code)).json(), { error: 'authorization_pending' })
})

t.test('codes are guessed ten times in five minutes, by nobody more often (RFC 8628 5.1, 5.2)', async (t) => {
  const person = await makePerson(server)
  const { user_code } = await begin(client)
  const guesser = await makePerson(server)
  const { browser, page } = await atDevicePage(server, guesser)
  for (let guess = 0; guess < 10; guess += 1) t.equal((await type(browser, page, 'BBBB-BBBB')).status, 400)
  const limited = await type(browser, page, user_code)
  t.equal(limited.status, 429, 'then the right one is not looked at either')
  t.ok(limited.headers.get('retry-after'))
  t.match((await openRequest(server, person, user_code)).page.html, /Meadow TV/, 'and others are not held up')
})

t.test('the database holds neither code, and the audit tells what happened (ASVS V11.4, V16.2)', async (t) => {
  const person = await makePerson(server)
  let codes = { device_code: '', user_code: '' }
  const events = await eventsOf(server.db, async () => {
    codes = await begin(client)
    const { browser, page } = await openRequest(server, person, codes.user_code)
    t.notMatch(
      await dumpDatabase(server.db),
      new RegExp(`${codes.device_code}|${codes.user_code.replace('-', '-?')}`, 'i'),
    )
    await browser.submit(page, page.form('/allow'))
    await poll(server, client, codes.device_code)
  })
  const types = events.map(({ type }) => type)
  for (const type of ['device_code.open', 'grant.give', 'token.issue']) t.ok(types.includes(type), type)
  t.notMatch(server.log.join(''), new RegExp(`${codes.device_code}|${codes.user_code}`))
})
