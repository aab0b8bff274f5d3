import { randomUUID } from 'node:crypto'
import * as openid from 'openid-client'
import t from 'tap'
import { createResource } from '../../src/resources/resources.ts'
import { noApache, startApache } from '../fixtures/apache.ts'
import { noChromium, openWindow, startChromium } from '../fixtures/chromium.ts'
import { makeClient } from '../fixtures/clients.ts'
import { freePort, startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson } from '../fixtures/people.ts'

t.test('Apache as client and as resource server', { skip: noApache || noChromium }, async (t) => {
  const server = await startGatehouse(t)
  const person = await makePerson(server)
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const { id, secret = '' } = await makeClient(server, {
    redirectUris: [`${origin}/pages/callback`],
    postLogoutRedirectUris: [`${origin}/`],
    backchannelLogoutUri: `${origin}/pages/callback?logout=backchannel`,
    scope: ['openid', 'profile', 'email'],
  })
  const passphrase = randomUUID()
  const values = { ISSUER: server.url, CLIENT_ID: id, CLIENT_SECRET: secret, CRYPTO_PASSPHRASE: passphrase }
  await startApache(t, port, values)

  await t.test('mod_auth_openidc signs a person in and out (OpenID Connect RP-Initiated Logout 2)', async (t) => {
    const { page } = await openWindow(t, await startChromium(t))
    await page.goto(`${origin}/pages/`)
    await page.getByLabel('E-mail').fill(person.email)
    await page.getByLabel('Password', { exact: true }).fill(person.password)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByRole('button', { name: 'Allow', exact: true }).click()
    await page.waitForURL(`${origin}/pages/`)
    const inside = await page.goto(`${origin}/pages/`)
    t.equal(await inside?.text(), 'the pages')
    t.equal(inside?.headers()['x-email'], person.email)
    await page.goto(`${origin}/pages/callback?logout=${encodeURIComponent(`${origin}/`)}`)
    await page.getByRole('button', { name: 'Sign out', exact: true }).click()
    await page.waitForURL(`${origin}/`)
    await page.goto(`${origin}/pages/`)
    t.ok(page.url().startsWith(server.url), 'it asks to sign in again')
  })

  await t.test('mod_oauth2 takes our JWTs, and no other (RFC 9068 4)', async (t) => {
    const scopes = { 'invoices:read': 'See your invoices' }
    await createResource(server.db, server.url, {
      identifier: `${origin}/api`,
      name: 'Invoices',
      scopes,
      format: 'jwt',
    })
    const machine = await makeClient(server, { type: 'machine', scope: ['invoices:read', 'profile:read'] })
    const tokenOf = (parameters: Record<string, string>) =>
      openid.clientCredentialsGrant(machine.configuration, parameters)
    const status = async (headers = {}) => (await fetch(`http://127.0.0.1:${port}/api/`, { headers })).status
    const good = await tokenOf({ resource: `${origin}/api`, scope: 'invoices:read' })
    t.equal(await status(bearer(good.access_token)), 200)
    t.equal(await status(), 401)
    const [header = '', payload = '', signature = ''] = good.access_token.split('.')
    t.equal(await status(bearer(`${header}.${payload}.${signature.split('').reverse().join('')}`)), 401)
    const other = await tokenOf({ scope: 'profile:read' })
    t.not(await status(bearer(other.access_token)), 200, 'of another scope')
  })
})
