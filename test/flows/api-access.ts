import t from 'tap'
import { makeApiKey } from '../../src/secrets/api-key.ts'
import { makeCallers } from '../fixtures/access/callers.ts'
import { type Caller, ENDING, expected, PUBLIC, ROUTES, type Route } from '../fixtures/access/table.ts'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'
import { bareChallenges } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const metadataUrl = `${server.url}/.well-known/oauth-protected-resource/api`
const { paths } = (await (await server.fetch('/docs/openapi.json')).json()) as { paths: Paths }

/** The part of the OpenAPI document that tells refusals. */
type Paths = Record<string, Record<string, { responses: Record<string, { content?: Record<string, Problem> }> }>>
interface Problem {
  readonly schema: { readonly properties?: { readonly code?: { readonly enum: readonly string[] } } }
}

/** What a challenge says of the scope, so that a client knows what to ask for (RFC 6750 3). */
const needed = ({ scope }: Route) => (scope === undefined ? '' : `scope="${scope}", `)

function call({ method, route, body }: Omit<Route, 'method'> & { method: string }, headers: Caller['headers'] = {}) {
  const path = route.replaceAll(/:\w+/g, '00000000-0000-4000-8000-000000000000')
  if (body === undefined) return server.fetch(path, { method, headers })
  const json = { 'content-type': 'application/json' }
  return server.fetch(path, { method, body: JSON.stringify(body), headers: { ...json, ...headers } })
}

/** Whether the document tells of such a refusal by this route. */
function isDescribed({ method, route }: Route, status: number, code: string): boolean {
  const operation = paths[route.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]
  const problem = operation?.responses[status]?.content?.['application/problem+json']
  return problem?.schema.properties?.code?.enum.includes(code) ?? false
}

const nameOf = ({ method, url }: { method: string | string[]; url: string }) =>
  [method].flat().map((method) => `${method} ${url}`)

t.test('every route under /api is in this matrix (ASVS V8.2.1)', async (t) => {
  const known = [...ROUTES, ...ENDING].map(({ method, route }) => `${method} ${route}`)
  const there = server.routes.flatMap(nameOf).filter((name) => /^(?!HEAD)\w+ \/(api|gate)\/\w/.test(name))
  const behindPrefix = there.filter((name) => name.endsWith(' /gate/verify/:scope/*'))
  t.strictSame(there.filter((name) => !behindPrefix.includes(name)).sort(), [...known, ...PUBLIC].sort())
  t.ok(behindPrefix.length > 0)
})

t.test('a method that the table does not grant is not there, not even for an administrator', async (t) => {
  const admin = bearer((await signIn(server, await makePerson(server, 'admin'))).accessToken)
  const granted = new Set([...[...ROUTES, ...ENDING].map(({ method, route }) => `${method} ${route}`), ...PUBLIC])
  const found: string[] = []
  for (const route of new Set([...granted].map((name) => name.split(' ')[1] ?? ''))) {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      if (granted.has(`${method} ${route}`)) continue
      const { status } = await call({ method, route, kinds: [], good: 404 }, admin)
      if (status !== 404) found.push(`${method} ${route}: ${status}`)
    }
  }
  t.strictSame(found, [])
})

t.test('without a credential: 401 and a bare challenge (RFC 6750 3.1, RFC 9728 5.1)', async (t) => {
  for (const route of [...ROUTES, ...ENDING]) {
    const response = await call(route)
    t.equal(response.status, 401, `${route.method} ${route.route}`)
    t.equal(response.headers.get('www-authenticate'), bareChallenges(metadataUrl, needed(route)))
    t.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8')
    t.strictSame(Object.keys((await response.json()) as object).sort(), ['code', 'detail', 'status', 'title', 'type'])
  }
})

t.test('with a bad credential of any kind: 401 invalid_token, and no other is tried (RFC 6750 3.1)', async (t) => {
  const user = await makePerson(server)
  const session = await signIn(server, user)
  const { apiKey } = await makeKey(server, user)
  const tokenFor = async (scope: string) =>
    (await authorize(server, await makeClient(server), user, { parameters: { scope } })).redeem()
  const { access_token: token } = await tokenFor('openid profile:read')
  const ofUserinfo = await tokenFor('openid')
  const withoutSignature = (jwt: string) => `${jwt.slice(0, jwt.lastIndexOf('.'))}.${'A'.repeat(86)}`
  const bad: Record<string, Record<string, string>> = {
    'an opaque token nobody issued': bearer('x'.repeat(43)),
    'a key nobody issued': { 'x-api-key': makeApiKey('gk_live_') },
    'such a key as Bearer': bearer(makeApiKey('gk_live_')),
    'a key with a typo': { 'x-api-key': `${apiKey.slice(0, -2)}--` },
    'a JWT with another signature': bearer(withoutSignature(session.accessToken)),
    'an access token with another signature': bearer(withoutSignature(token)),
    'a JWT as X-API-Key': { 'x-api-key': session.accessToken },
    'a refresh token': bearer(session.refreshToken),
    'an ID token': bearer(ofUserinfo.id_token ?? ''),
    'an access token for userinfo': bearer(ofUserinfo.access_token),
    'an empty key': { 'x-api-key': '' },
  }
  for (const route of [...ROUTES, ...ENDING]) {
    for (const [name, headers] of Object.entries(bad)) {
      const response = await call(route, headers)
      t.equal(response.status, 401, `${route.method} ${route.route} with ${name}`)
      const challenge = response.headers.get('www-authenticate') ?? ''
      const [error, rest] = challenge.split(/(?<=error_description="[^"\\]+"), /)
      t.match(error, /^Bearer error="invalid_token", error_description="[^"\\]+"$/)
      t.equal(rest, `${needed(route)}resource_metadata="${metadataUrl}"`)
      t.match(await response.json(), { code: 'invalid_token' })
    }
  }
})

t.test(
  'each credential opens what its kind, role and scopes allow, and nothing else (ASVS V6.3.4, V8.2.1)',
  async (t) => {
    const callers = await makeCallers(server)
    for (const role of ['USER', 'ADMIN', 'SERVICE']) {
      for (const kind of ['first_party_jwt', 'access_token', 'api_key']) {
        t.ok(
          callers.some((caller) => caller.role === role && caller.kind === kind),
          `${kind} of ${role}`,
        )
      }
    }
    for (const caller of callers) {
      const me = (await (await server.fetch('/api/me', { headers: caller.headers })).json()) as { scopes: string[] }
      t.match(me, { role: caller.role, credential: { kind: caller.kind } }, caller.name)
      t.strictSame(me.scopes.sort(), [...caller.scopes].sort(), caller.name)
      const wrong: string[] = []
      for (const route of ROUTES) wrong.push(...(await wrongOf(route, caller)))
      t.strictSame(wrong, [], caller.name)
    }
    t.ok(callers.length > 40)
  },
)

/** What of an answer is not as the table, the challenge and the document have it. */
async function wrongOf(route: Route, caller: Caller): Promise<string[]> {
  const { status, code } = expected(route, caller)
  const response = await call(route, caller.headers)
  const body = await response.text()
  const wrong: string[] = []
  const must = (isSo: boolean, what: string) => {
    if (!isSo) wrong.push(`${route.method} ${route.route}: ${what}; ${response.status} ${body.slice(0, 200)}`)
  }
  must(response.status === status, `should be ${status} ${code ?? ''}`)
  if (response.status < 400) return wrong
  const { code: told } = JSON.parse(body) as { code: string }
  must(code === undefined || told === code, `should be ${code}`)
  must(isDescribed(route, response.status, told), 'the document does not tell of this')
  if (status !== 403) return wrong
  const challenge = response.headers.get('www-authenticate') ?? ''
  must(challenge.endsWith(`resource_metadata="${metadataUrl}"`), challenge)
  const asksScope = challenge.startsWith('Bearer error="insufficient_scope"') && challenge.includes(needed(route))
  must(code !== 'insufficient_scope' || asksScope, challenge)
  return wrong
}
