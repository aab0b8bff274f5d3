import t from 'tap'
import { offerFirstAdministrator } from '../../src/setup/first-administrator.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { rawRequest } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const client = await makeClient(server)
const { url } = await authorizationRequest(client, { scope: 'openid' })

t.test('a password is hidden, and can be pasted and filled in (ASVS V6.2.6, V6.2.7)', async (t) => {
  const token = await offerFirstAdministrator(server.db, new Date())
  const browser = new Browser(server)
  const signIn = await browser.goto(url.href)
  const pages = {
    '/': await browser.goto('/'),
    'sign-in': signIn,
    'create account': await browser.goto(`${signIn.url}/create-account`),
    'the first administrator': await browser.goto(`/setup?token=${token}`),
  }
  for (const [name, { html }] of Object.entries(pages)) {
    const inputs = [...html.matchAll(/<input\b[^>]*>/g)].map(([input]) => input)
    const passwords = inputs.filter((input) => /name="password"/.test(input))
    t.ok(passwords.length > 0, name)
    for (const input of passwords) {
      t.match(input, /type="password"/)
      t.match(input, /autocomplete="(current|new)-password"/)
    }
    t.notMatch(html, /\son(paste|copy|cut|input|key\w+)=|maxlength|autocomplete="off"[^>]*password/i)
  }
  for (const script of ['app.js', 'password-reveal.js']) {
    t.notMatch(await (await server.fetch(`/assets/${script}`)).text(), /paste/, `${script} leaves pasting alone`)
  }
})

t.test('every page of who is signed in leads to signing out (ASVS V7.4.4)', async (t) => {
  const browser = new Browser(server)
  const { email, password } = await makePerson(server)
  const signIn = await browser.goto(url.href)
  const consent = await browser.submit(signIn, signIn.form('/login'), { email, password })
  t.match(consent.html, /<a href="\/oauth\/logout">/)
  t.match((await browser.goto('/')).html, /<section id="account"[\s\S]*<button[^>]*id="sign-out"/)
  t.match((await browser.goto('/oauth/logout')).form('/confirm').action, /logout/)
})

t.test('no page leads where a parameter says (RFC 9700 4.11)', async (t) => {
  const target = 'https://evil.example/'
  const names = ['next', 'return', 'returnTo', 'return_to', 'redirect', 'redirect_uri', 'url', 'continue', 'target']
  const query = new URLSearchParams(names.map((name): [string, string] => [name, target]))
  const pages = ['/', '/setup', '/oauth/logout', '/oauth/logout/success', '/interaction/x', '/oauth/authorize', '/none']
  for (const page of pages) {
    for (const accept of ['text/html', '*/*']) {
      const response = await server.fetch(`${page}?${query}`, { headers: { accept } })
      t.equal(response.headers.get('location'), null, page)
      t.equal(response.headers.get('refresh'), null)
      t.notMatch(await response.text(), 'evil.example')
    }
  }
  for (const path of [
    '//evil.example',
    '//evil.example/%2e%2e',
    '/\\evil.example',
    '/%2f%2fevil.example',
    '/.//evil.example',
  ]) {
    const { status, headers } = await rawRequest(server, path, { headers: { accept: 'text/html' } })
    t.ok(status >= 400 && status < 500, `${path}: ${status}`)
    t.equal(headers.location, undefined)
  }
})
