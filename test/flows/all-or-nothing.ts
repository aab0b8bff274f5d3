import t, { type Test } from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, REDIRECT_URI } from '../fixtures/clients.ts'
import { type Fault, stateOf, whileFailing } from '../fixtures/fault.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { clientForm, meStatus, register } from '../fixtures/wire.ts'

/** What one request writes is one transaction: when its last statement fails nothing of it is there, and a retry does all. */
const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const person = await makePerson(server)
const client = await makeClient(server, { accessTokenFormat: 'opaque' })
const ours = { origin: server.url, 'sec-fetch-site': 'same-origin' }

interface Case {
  readonly of: string
  readonly fault: Fault
  /** What is sent twice, and what is true once it is done. */
  prepare(): Promise<{ send: () => Promise<Response>; done: (t: Test, response: Response) => Promise<unknown> }>
}

const atEvent = (type: string): Fault => ({ table: 'audit_events', when: `new.type = '${type}'` })
const atModel = (model: string, more = ''): Fault => ({
  table: 'provider_models',
  when: `new.model = '${model}' ${more}`,
})
const atAnswer = atModel('Interaction', "and new.payload::jsonb ? 'result'")

const post = (path: string, parameters: Record<string, string>) =>
  server.fetch(path, { method: 'POST', ...clientForm(client, parameters) })
const refresh = (refresh_token: string) => post('/oauth/token', { grant_type: 'refresh_token', refresh_token })

/** A browser that is signed in, with what a client got of it. */
async function granted(scope = 'openid profile:read offline_access') {
  const flow = await authorize(server, client, person, { parameters: { scope } })
  const { access_token, refresh_token = '' } = await flow.redeem()
  return { ...flow, access_token, refresh_token }
}

async function isOver(t: Test, tokens: { access_token: string; refresh_token: string }) {
  t.equal(await meStatus(server, tokens.access_token), 401, 'the access token')
  t.equal((await refresh(tokens.refresh_token)).status, 400, 'the refresh token')
}

async function signedOut(t: Test, browser: Browser, tokens: { access_token: string; refresh_token: string }) {
  await isOver(t, tokens)
  t.equal((await browser.request('/api/auth/refresh', { method: 'POST', headers: ours })).status, 401)
  const { url } = await authorizationRequest(client, { prompt: 'none', scope: 'openid' })
  t.match((await browser.goto(url.href)).url, 'error=login_required')
}

const submit = (browser: Browser, action: string, fields: Record<string, string>) => () =>
  browser.request(action, { method: 'POST', headers: ours, body: new URLSearchParams(fields) })

const CASES: readonly Case[] = [
  {
    of: 'a refresh token that is revoked ends its grant (RFC 7009 2.1)',
    fault: atEvent('grant.end'),
    async prepare() {
      const tokens = await granted()
      return {
        send: () => post('/oauth/revoke', { token: tokens.refresh_token }),
        done: async (t, { status }) => {
          t.equal(status, 200)
          await isOver(t, tokens)
        },
      }
    },
  },
  {
    of: 'a code that is used again ends its grant (OAuth 2.1 4.1.3)',
    fault: atEvent('grant.end'),
    async prepare() {
      const { code, verifier: code_verifier, ...tokens } = await granted()
      return {
        send: () => post('/oauth/token', { grant_type: 'authorization_code', code, code_verifier }),
        done: async (t, { status }) => {
          t.equal(status, 400)
          await isOver(t, tokens)
        },
      }
    },
  },
  {
    of: 'an old refresh token ends its grant (OAuth 2.1 4.3.1)',
    fault: atEvent('grant.end'),
    async prepare() {
      const first = await granted()
      const second = (await (await refresh(first.refresh_token)).json()) as { refresh_token: string }
      const third = (await (await refresh(second.refresh_token)).json()) as Record<
        'access_token' | 'refresh_token',
        string
      >
      return {
        send: () => refresh(first.refresh_token),
        done: async (t, { status }) => {
          t.equal(status, 400)
          await isOver(t, third)
        },
      }
    },
  },
  {
    of: 'a sign-out ends both sessions and the grants (RP-Initiated Logout 2)',
    fault: atEvent('session.end'),
    async prepare() {
      const { browser, ...tokens } = await granted('openid profile:read')
      const page = await browser.goto('/oauth/logout')
      const { action, fields } = page.form('/confirm')
      return {
        send: submit(browser, action, { ...fields, logout: 'yes' }),
        done: async (t, { status }) => {
          t.equal(status, 303)
          await signedOut(t, browser, tokens)
        },
      }
    },
  },
  {
    of: 'a sign-out at the API does too (ASVS V7.4.1)',
    fault: atEvent('session.end'),
    async prepare() {
      const { browser, ...tokens } = await granted('openid profile:read')
      return {
        send: () => browser.request('/api/auth/logout', { method: 'POST', headers: ours }),
        done: async (t, { status }) => {
          t.equal(status, 200)
          await signedOut(t, browser, tokens)
        },
      }
    },
  },
  {
    of: 'a sign-in answers the request it was made for (ASVS V7.2.4)',
    fault: atAnswer,
    async prepare() {
      const { browser } = await granted()
      const { url } = await authorizationRequest(client, { prompt: 'login' })
      const page = await browser.goto(url.href)
      const { action, fields } = page.form('/login')
      return {
        send: submit(browser, action, { ...fields, email: person.email, password: person.password }),
        done: async (t, { status }) => t.equal(status, 303),
      }
    },
  },
  {
    of: 'a sign-in at the API ends the one before (ASVS V7.2.4)',
    fault: atEvent('session.start'),
    async prepare() {
      const { browser } = await granted()
      const { email, password } = person
      const headers = { ...ours, 'content-type': 'application/json' }
      const body = JSON.stringify({ email, password })
      return {
        send: () => browser.request('/api/auth/login/jwt', { method: 'POST', headers, body }),
        done: async (t, { status }) => t.equal(status, 200),
      }
    },
  },
  {
    of: 'consent makes a grant and answers the request (RFC 6749 4.1.1)',
    fault: atAnswer,
    async prepare() {
      const { browser } = await granted()
      const page = await browser.goto((await authorizationRequest(client)).url.href)
      const { action, fields } = page.form('/consent')
      return {
        send: submit(browser, action, fields),
        done: async (t, response) => {
          const { url } = await browser.goto(response.headers.get('location') ?? '')
          t.match(url, `${REDIRECT_URI}?code=`)
        },
      }
    },
  },
  {
    of: 'an authorization request that goes on makes its code (OAuth 2.1 4.1.2)',
    fault: atModel('AuthorizationCode'),
    async prepare() {
      const { browser } = await granted()
      const page = await browser.goto((await authorizationRequest(client)).url.href)
      const { action, fields } = page.form('/consent')
      const { headers } = await submit(browser, action, fields)()
      return {
        send: () => browser.request(headers.get('location') ?? ''),
        done: async (t, response) => {
          t.match(response.headers.get('location'), `${REDIRECT_URI}?code=`)
          const { url } = await authorizationRequest(client, { prompt: 'none', scope: 'openid' })
          t.match((await browser.goto(url.href)).url, '?code=', 'and its session goes on')
        },
      }
    },
  },
  {
    of: 'a code is redeemed (OAuth 2.1 4.1.3)',
    fault: atEvent('token.issue'),
    async prepare() {
      const { code, verifier: code_verifier } = await authorize(server, client, person)
      return {
        send: () => post('/oauth/token', { grant_type: 'authorization_code', code, code_verifier }),
        done: async (t, response) => {
          const { access_token = '' } = (await response.json()) as Record<string, string>
          t.equal(await meStatus(server, access_token), 200)
        },
      }
    },
  },
  {
    of: 'a client registers itself (RFC 7591 3)',
    fault: atEvent('client.register'),
    async prepare() {
      return {
        send: () => register(server, { redirect_uris: [REDIRECT_URI] }),
        done: async (t, { status }) => t.equal(status, 201),
      }
    },
  },
]

for (const { of, fault, prepare } of CASES) {
  t.test(`${of}: all or nothing (ASVS V2.3.3)`, async (t) => {
    const { send, done } = await prepare()
    const before = await stateOf(server.db)
    const failed = await whileFailing(server.db, fault, send)
    t.equal(failed.status, 500)
    t.notOk(failed.headers.has('set-cookie'), 'no cookie names what is not there')
    t.strictSame(await stateOf(server.db), before, 'nothing of it is there')
    await done(t, await send())
  })
}
