import t, { type Test } from 'tap'
import { Browser, type Page } from '../fixtures/browser.ts'
import { authorizationRequest, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { type OddProvider, startOddProvider } from '../fixtures/odd-provider.ts'

const server = await startGatehouse(t)
const client = await makeClient(server)
let made = 0

/** A provider of this test's own. */
async function provide(t: Test): Promise<{ id: string; provider: OddProvider }> {
  made += 1
  const id = `odd-${made}`
  return { id, provider: await startOddProvider(t, server, id) }
}

/** Leaves for a provider; where the browser is sent to. */
async function away(browser: Browser, id: string, path = `/upstreams/${id}`): Promise<URLSearchParams> {
  const { url, html } = await browser.goto(path)
  if (url.startsWith(server.url)) throw new Error(html)
  return new URL(url).searchParams
}

/** Comes back with a code, and with other parameters where given. */
function back(browser: Browser, id: string, state: string, more: Record<string, string> = {}): Promise<Page> {
  const query = new URLSearchParams({ code: 'c', state, ...more })
  return browser.goto(`/upstreams/${id}/callback?${query}`)
}

/** Leaves and comes back, while the provider's ID token says this besides its nonce. */
async function signIn(id: string, provider: OddProvider, claims: Record<string, unknown> = {}, path?: string) {
  const browser = new Browser(server)
  const asked = await away(browser, id, path)
  provider.claims = { nonce: asked.get('nonce'), ...claims }
  return { browser, page: await back(browser, id, asked.get('state') ?? '') }
}

function isRefused(t: Test, { browser, page }: { browser: Browser; page: Page }, name: string, status = 400): void {
  t.equal(page.status, status, name)
  t.match(page.html, status === 400 ? /upstream_refused/ : /upstream_unavailable/)
  t.equal(browser.cookies.has('gatehouse_refresh'), false, 'nobody is signed in')
}

t.test('an ID token that will not do lets nobody in (OpenID Connect Core 3.1.3.7)', async (t) => {
  const { id, provider } = await provide(t)
  t.match((await signIn(id, provider)).page.url, /create-account$/, 'a good one does')
  const now = Math.floor(Date.now() / 1000)
  for (const [name, claims] of Object.entries({
    'a nonce of another sign-in': { nonce: 'n'.repeat(43) },
    'no nonce': { nonce: undefined },
    'another issuer': { iss: 'https://other.example' },
    'another audience': { aud: 'them' },
    'one of several audiences, authorized to another': { aud: ['us', 'them'], azp: 'them' },
    'an end that has passed': { exp: now - 60 },
    'no end': { exp: undefined },
    'no subject': { sub: undefined },
    'a subject that is longer than one may be': { sub: 's'.repeat(256) },
    'a subject that is not ASCII': { sub: 'adä' },
    'a sign-in of longer ago than a session lasts': { auth_time: now - 31 * 86_400 },
  })) {
    isRefused(t, await signIn(id, provider, claims), name)
  }
  await provider.signByAnotherKey()
  isRefused(t, await signIn(id, provider), 'a key that the provider does not publish')
})

t.test(
  'the same subject, or e-mail, at another provider is somebody else (ASVS V6.8.1, OpenID Connect Core 5.7)',
  async (t) => {
    const claims = { sub: 'ada', email: 'ada@example.com', email_verified: true }
    const [one, other] = [await provide(t), await provide(t)]
    const first = await signIn(one.id, one.provider, claims)
    await first.browser.submit(first.page, first.page.form())
    t.equal(new URL((await signIn(one.id, one.provider, claims)).page.url).pathname, '/')
    const { browser, page } = await signIn(other.id, other.provider, claims)
    t.match(page.url, /create-account$/)
    t.equal((await browser.submit(page, page.form())).status, 409)
    t.equal(browser.cookies.has('gatehouse_refresh'), false)
  },
)

t.test('a new sign-in that is asked for must be told, and be new (OpenID Connect Core 3.1.2.1)', async (t) => {
  const { id, provider } = await provide(t)
  const now = Math.floor(Date.now() / 1000)
  for (const [name, auth_time] of Object.entries({ old: now - 60, 'not told': undefined, 'no moment': 1e300 })) {
    isRefused(t, await signIn(id, provider, { auth_time }, `/upstreams/${id}?prompt=login`), name)
    t.match((await signIn(id, provider, { auth_time })).page.url, /create-account$/, 'else that is good')
  }
  t.match((await signIn(id, provider, {}, `/upstreams/${id}?prompt=login`)).page.url, /create-account$/)
})

t.test(
  'a sign-in that is too old for max_age when it is used leads back to the sign-in page (Core 3.1.2.1)',
  async (t) => {
    const { id, provider } = await provide(t)
    const claims = { sub: 'slow', email: 'slow@example.com' }
    const { browser, page } = await signIn(id, provider, claims)
    await browser.submit(page, page.form())
    const { url } = await authorizationRequest(client, { prompt: '', max_age: '5' })
    for (const [ago, shown] of [
      [8, /name="password"/],
      [0, /action="[^"]*\/consent"/],
    ] as const) {
      browser.cookies.clear()
      const { pathname } = new URL((await browser.goto(url.href)).url)
      const asked = await away(browser, id, `${pathname}/upstreams/${id}`)
      t.equal(asked.get('max_age'), '5')
      // As from a provider whose clock is behind, or a person who takes a while on the way back.
      const auth_time = Math.floor(Date.now() / 1000) - ago
      provider.claims = { nonce: asked.get('nonce'), ...claims, auth_time }
      const end = await back(browser, id, asked.get('state') ?? '')
      t.equal(new URL(end.url).pathname.startsWith('/interaction/'), true, end.url)
      t.match(end.html, shown, `${ago} seconds ago`)
    }
  },
)

t.test('a sign-in of which the time is not told counts as one of long ago', async (t) => {
  const { id, provider } = await provide(t)
  const { browser, page } = await signIn(id, provider, { auth_time: undefined, sub: 'timeless' })
  await browser.submit(page, page.form(), { email: 'timeless@example.com' })
  const { url } = await authorizationRequest(client, { prompt: '', max_age: '3600' })
  t.match((await browser.goto(url.href)).html, /name="password"/)
})

t.test(
  'an answer is for the browser, the state and the provider it was asked with, once (RFC 9700 4.4, 4.7)',
  async (t) => {
    const [one, other] = [await provide(t), await provide(t)]
    const browser = new Browser(server)
    const asked = await away(browser, one.id)
    const [state, nonce] = [asked.get('state') ?? '', asked.get('nonce')]
    one.provider.claims = { nonce }
    other.provider.claims = { nonce }
    const isOver = (page: Page, name: string) =>
      t.match({ ...page }, { status: 400, html: /upstream_sign_in_over/ }, name)

    isOver(await back(new Browser(server), one.id, state), 'another browser')
    const stranger = new Browser(server)
    await away(stranger, one.id)
    isOver(await back(stranger, one.id, state), 'another browser with a sign-in of its own under way')
    isOver(await back(browser, one.id, 's'.repeat(43)), 'another state')
    isOver(await back(browser, other.id, state), 'another provider')
    t.equal((await browser.goto(`/upstreams/${one.id}/callback?code=c`)).status, 400, 'no state')
    t.match((await back(browser, one.id, state)).url, /create-account$/, 'all that has not used it up')
    isOver(await back(browser, one.id, state), 'a second time')

    const again = await away(browser, one.id)
    const answer = { iss: other.provider.issuer }
    t.match((await back(browser, one.id, again.get('state') ?? '', answer)).html, /upstream_refused/, 'RFC 9207 2.4')
  },
)

t.test('of two answers at once one is redeemed', async (t) => {
  const { id, provider } = await provide(t)
  const browser = new Browser(server)
  const asked = await away(browser, id)
  provider.claims = { nonce: asked.get('nonce') }
  const pages = await Promise.all([1, 2, 3, 4].map(() => back(browser, id, asked.get('state') ?? '')))
  t.strictSame(pages.map(({ status }) => status).sort(), [200, 400, 400, 400])
  t.equal(provider.asked.filter(({ what }) => what === 'POST /token').length, 1)
})

t.test(
  'PKCE by S256, state and nonce go along; pushed where the provider requires it (RFC 7636, RFC 9126)',
  async (t) => {
    const { id, provider } = await provide(t)
    const asked = await away(new Browser(server), id)
    t.match(Object.fromEntries(asked), {
      response_type: 'code',
      client_id: 'us',
      redirect_uri: `${server.url}/upstreams/${id}/callback`,
      scope: 'openid email profile',
      code_challenge_method: 'S256',
      code_challenge: /^[\w-]{43}$/,
      state: /^[\w-]{43}$/,
      nonce: /^[\w-]{43}$/,
      max_age: '2592000',
    })
    await signIn(id, provider)
    const redeemed = provider.asked.find(({ what }) => what === 'POST /token')?.body
    t.match(redeemed?.get('code_verifier'), /^[\w-]{43,128}$/)

    const pushing = await provide(t)
    pushing.provider.metadata = { require_pushed_authorization_requests: true }
    const pushed = await away(new Browser(server), pushing.id)
    t.strictSame(Object.fromEntries(pushed), { client_id: 'us', request_uri: 'urn:x:1' })
    const body = pushing.provider.asked.find(({ what }) => what === 'POST /par')?.body
    t.match(body?.get('code_challenge'), /^[\w-]{43}$/)
  },
)
