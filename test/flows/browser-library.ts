import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { createClient } from '../../src/clients/clients.ts'
import { noChromium, openWindow, startChromium } from '../fixtures/chromium.ts'
import { freePort, startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'

/** Serves the app of the fixture, from an origin of its own. */
async function startApp(port: number, settings: () => object): Promise<string> {
  const page = await readFile('test/fixtures/relying-parties/oidc-client-ts.html')
  const library = await readFile('node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js')
  const app = createServer(({ url = '/' }, response) => {
    if (url === '/oidc-client-ts.min.js') return response.setHeader('content-type', 'text/javascript').end(library)
    if (url === '/settings.js') {
      return response.setHeader('content-type', 'text/javascript').end(`const settings = ${JSON.stringify(settings())}`)
    }
    return response.setHeader('content-type', 'text/html').end(page)
  })
  await new Promise<void>((resolve) => app.listen(port, '127.0.0.1', resolve))
  t.teardown(() => {
    app.closeAllConnections()
    app.close()
  })
  return `http://127.0.0.1:${(app.address() as AddressInfo).port}`
}

t.test(
  'oidc-client-ts signs in, reads userinfo and the API, renews, revokes and signs out from its own origin (OAuth 2.1 10.3)',
  { skip: noChromium },
  async (t) => {
    const port = await freePort()
    const origin = `http://127.0.0.1:${port}`
    const server = await startGatehouse(t, { env: { CORS_ORIGINS: origin } })
    const person = await makePerson(server)
    const scope = ['openid', 'profile', 'email', 'offline_access', 'profile:read']
    const { client } = await createClient(server.db, {
      name: 'A single-page app',
      type: 'spa',
      redirectUris: [`${origin}/callback`],
      postLogoutRedirectUris: [`${origin}/bye`],
      scope,
    })
    await startApp(port, () => ({
      authority: server.url,
      client_id: client.id,
      redirect_uri: `${origin}/callback`,
      post_logout_redirect_uri: `${origin}/bye`,
      scope: scope.join(' '),
    }))
    const { page, faults } = await openWindow(t, await startChromium(t))
    const said = async (path: string) => {
      await page.waitForURL(`${origin}${path}**`)
      await page.waitForFunction("document.title === 'done'")
      return JSON.parse((await page.textContent('#said')) ?? '')
    }

    await page.goto(origin)
    await page.getByLabel('E-mail').fill(person.email)
    await page.getByLabel('Password', { exact: true }).fill(person.password)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByRole('button', { name: 'Allow', exact: true }).click()
    t.strictSame(await said('/callback'), {
      email: person.email,
      scopes: ['profile:read'],
      isRenewed: true,
      afterwards: 401,
    })
    await page.goto(`${origin}/leave`)
    await page.getByRole('button', { name: 'Sign out', exact: true }).click()
    t.strictSame(await said('/bye'), { signedOut: true })
    t.strictSame(faults, [])
  },
)
