import { sql } from 'drizzle-orm'
import t from 'tap'
import { CIBA } from '../../src/clients/grant-types.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest } from '../fixtures/clients.ts'
import { dumpDatabase } from '../fixtures/dump.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, PASSWORD } from '../fixtures/people.ts'
import { runWholeFlow, type WholeFlow } from '../fixtures/whole-flow.ts'
import { basic, clientForm, withQuery } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { LOG_LEVEL: 'silent', TRUST_PROXY: 'loopback' } })
const AT_ONCE = 24
/** No more passwords than are compared soon. */
const FEW_AT_ONCE = 8
let asked = 0

/** From another network each time, so that no limit of attempts hides that a value is let in. */
async function ask(path: string, { headers, ...init }: RequestInit = {}): Promise<Response> {
  asked += 1
  const from = `10.${(asked >> 16) & 255}.${(asked >> 8) & 255}.${asked & 255}`
  const response = await server.fetch(path, { ...init, headers: { ...headers, 'x-forwarded-for': from } })
  if (response.status === 429 || response.status >= 500) throw new Error(`${path}: ${response.status}`)
  return response
}

const status = async (response: Promise<Response>, expected = 200) => (await response).status === expected
const json = (body: object, headers: Record<string, string> = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
})

/** A way to present a value as a credential, which tells whether it was let in, and what is. */
interface Door {
  readonly name: string
  readonly good: string | string[]
  readonly opens: (value: string) => Promise<boolean>
}

/** The thief knows the clients' secrets and the verifier besides, and has all other cookies of the person's browser. */
function doorsOf({ web, spa, asker, machine, browser, unfinished, person, good }: WholeFlow): Door[] {
  const form = (client: Parameters<typeof clientForm>[0], parameters: Record<string, string>) => ({
    method: 'POST',
    ...clientForm(client, parameters),
  })
  const token = (client: Parameters<typeof clientForm>[0], parameters: Record<string, string>) =>
    status(ask('/oauth/token', form(client, parameters)))
  const me = (headers: Record<string, string>) => status(ask('/api/me', { headers }))
  const cookieOf = (from: Browser, name: string) => from.cookies.get(name)?.value ?? ''
  const cookies = (from: Browser, name: string, value: string) =>
    [...from.cookies].map(([own, cookie]) => `${own}=${own === name ? value : cookie.value}`).join('; ')
  const refresh = (client: Parameters<typeof clientForm>[0]) => (value: string) =>
    token(client, { grant_type: 'refresh_token', refresh_token: value })
  return [
    {
      name: 'code',
      good: good.code,
      opens: (code) =>
        token(web, {
          ...{ grant_type: 'authorization_code', code, code_verifier: good.verifier, redirect_uri: web.redirectUri },
        }),
    },
    {
      name: 'auth_req_id',
      good: good.authReqId,
      opens: (value) => token(asker, { grant_type: CIBA, auth_req_id: value }),
    },
    {
      name: 'Bearer',
      good: [good.firstPartyJwt, good.machineJwt, good.machineOpaque, good.apiKey, good.exchanged],
      opens: (value) => me(bearer(value)),
    },
    { name: 'API key', good: good.apiKey, opens: (value) => me({ 'x-api-key': value }) },
    {
      name: 'API key without its prefix',
      good: good.apiKey.slice(server.config.apiKeyPrefix.length),
      opens: (value) => me({ 'x-api-key': server.config.apiKeyPrefix + value }),
    },
    {
      name: 'access token at userinfo',
      good: good.opaque,
      opens: (value) => status(ask('/oauth/userinfo', { headers: bearer(value) })),
    },
    {
      name: 'token at introspection',
      good: good.refreshToken,
      async opens(value) {
        const response = await ask('/oauth/introspect', form(web, { token: value }))
        return ((await response.json()) as { active?: boolean }).active === true
      },
    },
    { name: 'refresh token', good: good.refreshToken, opens: refresh(web) },
    { name: 'refresh token of a public client', good: good.spaRefreshToken, opens: refresh(spa) },
    {
      name: 'client secret',
      good: machine.secret ?? '',
      opens: (secret) => token({ ...machine, secret }, { grant_type: 'client_credentials' }),
    },
    {
      name: 'client secret at introspection',
      good: web.secret,
      opens: (secret) =>
        status(ask('/oauth/introspect', { ...form(web, { token: 'x' }), headers: basic({ ...web, secret }) })),
    },
    {
      name: 'initial access token',
      good: good.registrationToken,
      opens: (value) =>
        status(ask('/oauth/register', json({ redirect_uris: ['https://thief.example/cb'] }, bearer(value))), 201),
    },
    {
      name: 'link of the first administrator',
      good: good.setupToken,
      opens: (value) => status(ask(withQuery('/setup', { token: value }))),
    },
    {
      name: 'first-party refresh token',
      good: good.firstPartyRefresh,
      opens: (refreshToken) => status(ask('/api/auth/refresh', json({ refreshToken }))),
    },
    {
      name: 'cookie of the provider session',
      good: cookieOf(browser, 'gatehouse_sso'),
      async opens(value) {
        const { url } = await authorizationRequest(web, { prompt: 'none' })
        const headers = { cookie: cookies(browser, 'gatehouse_sso', value) }
        const response = await ask(`${url.pathname}${url.search}`, { headers })
        return new URL(response.headers.get('location') ?? server.url).searchParams.has('code')
      },
    },
    {
      name: 'cookie of an interaction',
      good: good.interaction,
      opens: (value) =>
        status(
          ask(`/interaction/${encodeURIComponent(value)}`, {
            headers: { cookie: cookies(unfinished, 'gatehouse_interaction', value) },
          }),
        ),
    },
    {
      name: 'refresh cookie',
      good: cookieOf(browser, 'gatehouse_refresh'),
      opens: (value) =>
        status(
          ask('/api/auth/refresh', {
            method: 'POST',
            headers: { cookie: `gatehouse_refresh=${encodeURIComponent(value)}`, 'sec-fetch-site': 'same-origin' },
          }),
        ),
    },
    {
      name: 'password',
      good: PASSWORD,
      opens: (password) => status(ask('/api/auth/login/jwt', json({ email: person.email, password }))),
    },
  ]
}

/** A thief's reading of the dump: every string, its parts, what it decodes to, and what stands in JSON within it. */
function stringsOf(dump: string): Set<string> {
  const found = new Set<string>()
  const add = (text: string) => {
    if (!/^[\x20-\x7e]+$/.test(text) || IS_MOMENT.test(text) || found.has(text)) return
    found.add(text)
    if (/^[[{]/.test(text)) walk(parsed(text))
    for (const part of text.split(/[\s:.,;/?&=#$|"]+/)) if (part !== '') add(part)
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      const bytes = Buffer.from(text, encoding)
      if (text.length < 16 || bytes.toString(encoding) !== text) continue
      add(bytes.toString())
      if (encoding !== 'base64url') add(bytes.toString('base64url'))
    }
  }
  const walk = (value: unknown) => {
    if (typeof value === 'string') add(value)
    else if (typeof value === 'object' && value !== null)
      for (const member of Object.entries(value).flat()) walk(member)
  }
  for (const row of dump.split('\n')) walk(JSON.parse(row))
  return found
}

/** What a column of time holds, which is in every row and no secret. */
const IS_MOMENT = /^\d{4}-\d\d-\d\dT[\d:.+-]+$/

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

t.test('whoever has a copy of the database is let in nowhere (ASVS V11.4, V13.3)', async (t) => {
  const flow = await runWholeFlow(server)
  await server.db.execute(sql`
    update provider_models set expires_at = expires_at + interval '1 hour',
      payload = jsonb_set(payload::jsonb, '{exp}', to_jsonb((payload->>'exp')::bigint + 3600))::json
    where model = 'AuthorizationCode'`)
  const dump = await dumpDatabase(server.db)
  const strings = [...stringsOf(dump)]
  const inAccounts = new Set(
    stringsOf(
      dump
        .split('\n')
        .filter((row) => row.includes('"password_hash"'))
        .join('\n'),
    ),
  )
  t.ok(strings.length > 300, `${strings.length} strings`)

  for (const { name, good, opens } of doorsOf(flow)) {
    const tries = name === 'password' ? [...inAccounts] : strings
    const letIn: string[] = []
    const atOnce = name === 'password' ? FEW_AT_ONCE : AT_ONCE
    for (let start = 0; start < tries.length; start += atOnce) {
      const some = tries.slice(start, start + atOnce)
      // Fifty failures are as many as an account may have, from whatever network.
      await server.db.execute(sql`delete from attempts`)
      const opened = await Promise.all(some.map(opens))
      letIn.push(...some.filter((_, index) => opened[index]))
    }
    t.strictSame(letIn, [], name)
    for (const shown of [good].flat())
      t.equal(await opens(shown), true, `${name}: what was shown is good all the while`)
  }
})
