import * as openid from 'openid-client'
import t from 'tap'
import { makeApiKey } from '../../src/secrets/api-key.ts'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, type Person, signIn } from '../fixtures/people.ts'

type Kind = 'first_party_jwt' | 'access_token' | 'api_key'

interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly route: string
  readonly kinds: readonly Kind[]
  readonly scope?: string
  readonly role?: 'ADMIN'
  /** What it answers an account that may call it; 404 where it names a thing that does not exist. */
  readonly good: 200 | 201 | 404
}

interface Caller {
  readonly name: string
  readonly kind: Kind
  readonly headers: Record<string, string>
  readonly role: 'USER' | 'ADMIN' | 'SERVICE'
  readonly scopes: readonly string[]
}

const ANY: readonly Kind[] = ['first_party_jwt', 'access_token', 'api_key']
const JWT: readonly Kind[] = ['first_party_jwt']
const ROUTES: readonly Route[] = [
  { method: 'GET', route: '/api/me', kinds: ANY, good: 200 },
  { method: 'GET', route: '/api/protected/jwt', kinds: JWT, good: 200 },
  { method: 'GET', route: '/api/protected/oauth', kinds: ['access_token'], good: 200 },
  { method: 'GET', route: '/api/protected/apikey', kinds: ['api_key'], good: 200 },
  { method: 'GET', route: '/api/protected/any', kinds: ANY, good: 200 },
  { method: 'POST', route: '/api/auth/apikey/generate', kinds: JWT, good: 201 },
  { method: 'GET', route: '/api/keys', kinds: ANY, scope: 'keys:read', good: 200 },
  { method: 'DELETE', route: '/api/keys/:id', kinds: ANY, scope: 'keys:write', good: 404 },
  { method: 'POST', route: '/api/keys/:id/rotate', kinds: ANY, scope: 'keys:write', good: 404 },
  { method: 'GET', route: '/api/admin/users', kinds: ANY, scope: 'admin:read', role: 'ADMIN', good: 200 },
  { method: 'GET', route: '/api/grants', kinds: JWT, good: 200 },
  { method: 'DELETE', route: '/api/grants/:clientId', kinds: JWT, good: 404 },
]
/** Ends what it is given, so it has tests of its own. */
const SIGN_OUT: Route = { method: 'POST', route: '/api/auth/logout', kinds: ANY, good: 200 }
const PUBLIC = [
  'GET /api/auth/comparison',
  'POST /api/auth/login/jwt',
  'POST /api/auth/refresh',
  'POST /api/auth/register',
]

const ACCOUNT_SCOPES = ['profile:read', 'keys:read', 'keys:write']
const ALL_SCOPES = [...ACCOUNT_SCOPES, 'admin:read', 'admin:write']

const server = await startGatehouse(t)
const user = await makePerson(server)
const admin = await makePerson(server, 'admin')
const metadataUrl = `${server.url}/.well-known/oauth-protected-resource/api`

function call({ method, route }: Route, headers: Record<string, string> = {}): Promise<Response> {
  const path = route.replace(/:\w+/, '00000000-0000-4000-8000-000000000000')
  if (!route.endsWith('generate')) return server.fetch(path, { method, headers })
  return server.post(path, { name: 'a script' }, headers)
}

async function accessToken(person: Person, scopes: readonly string[]): Promise<string> {
  const client = await makeClient(server, { scope: scopes })
  const { redeem } = await authorize(server, client, person, { parameters: { scope: scopes.join(' ') } })
  return (await redeem()).access_token
}

async function machineToken(scopes: readonly string[]): Promise<string> {
  const client = await makeClient(server, { type: 'machine', scope: scopes })
  const scope = scopes.join(' ')
  return (await openid.clientCredentialsGrant(client.configuration, { scope })).access_token
}

async function callers(): Promise<Caller[]> {
  const key = async (person: Person, scopes: string[]) => ({
    'x-api-key': (await makeKey(server, person, scopes)).apiKey,
  })
  const own = async (person: Person) => bearer((await signIn(server, person)).accessToken)
  const granted = async (person: Person, scopes: string[]) => bearer(await accessToken(person, scopes))
  const rows: [string, Kind, Record<string, string>, Caller['role'], string[]][] = [
    ["a user's JWT", 'first_party_jwt', await own(user), 'USER', ACCOUNT_SCOPES],
    ["an administrator's JWT", 'first_party_jwt', await own(admin), 'ADMIN', ALL_SCOPES],
    ["a user's key", 'api_key', await key(user, ACCOUNT_SCOPES), 'USER', ACCOUNT_SCOPES],
    ["a user's key of one scope", 'api_key', await key(user, ['keys:read']), 'USER', ['keys:read']],
    ["an administrator's key", 'api_key', await key(admin, ALL_SCOPES), 'ADMIN', ALL_SCOPES],
    ["an administrator's key of one scope", 'api_key', await key(admin, ['keys:write']), 'ADMIN', ['keys:write']],
    ["a user's access token", 'access_token', await granted(user, ALL_SCOPES), 'USER', ACCOUNT_SCOPES],
    ['one of one scope', 'access_token', await granted(user, ['profile:read']), 'USER', ['profile:read']],
    ["an administrator's access token", 'access_token', await granted(admin, ALL_SCOPES), 'ADMIN', ALL_SCOPES],
    ["a client's own", 'access_token', bearer(await machineToken(ALL_SCOPES)), 'SERVICE', ACCOUNT_SCOPES],
    [
      "a client's own of one scope",
      'access_token',
      bearer(await machineToken(['keys:read'])),
      'SERVICE',
      ['keys:read'],
    ],
  ]
  return rows.map(([name, kind, headers, role, scopes]) => ({ name, kind, headers, role, scopes }))
}

/** What the policy says, written down a second time: kind, then role, then scope. */
function expected(route: Route, caller: Caller): { status: number; code?: string; challenge?: RegExp } {
  if (!route.kinds.includes(caller.kind)) return { status: 403, code: 'credential_not_accepted' }
  if (route.role !== undefined && route.role !== caller.role) return { status: 403, code: 'insufficient_role' }
  if (route.scope !== undefined && !caller.scopes.includes(route.scope)) {
    const challenge = new RegExp(`^Bearer error="insufficient_scope", .*scope="${route.scope}"`)
    return { status: 403, code: 'insufficient_scope', challenge }
  }
  const needsAccount = route.route.startsWith('/api/keys')
  if (needsAccount && caller.role === 'SERVICE') return { status: 404, code: 'not_found' }
  return route.good === 404 ? { status: 404, code: 'not_found' } : { status: route.good }
}

function routesOfServer(): string[] {
  const parents: string[] = []
  return server.app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, indent = '', part = '', methods = ''] = /^(.*)[├└]── (\S+) \((.*)\)$/.exec(line) ?? []
      const depth = indent.length / 4
      parents.splice(depth, Number.POSITIVE_INFINITY, part)
      const path = parents.join('')
      return methods.split(', ').map((method) => `${method} ${path}`)
    })
    .filter((route) => /^(?!HEAD)\w+ \/api\/\w/.test(route))
}

t.test('every route under /api is in this matrix (ASVS V8.2.1)', async (t) => {
  const known = [...ROUTES, SIGN_OUT].map(({ method, route }) => `${method} ${route}`)
  t.strictSame(routesOfServer().sort(), [...known, ...PUBLIC].sort())
})

t.test('without a credential: 401 and a bare challenge (RFC 6750 3.1, RFC 9728 5.1)', async (t) => {
  for (const route of [...ROUTES, SIGN_OUT]) {
    const response = await call(route)
    t.equal(response.status, 401, `${route.method} ${route.route}`)
    t.equal(response.headers.get('www-authenticate'), `Bearer resource_metadata="${metadataUrl}"`)
    t.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8')
    t.strictSame(Object.keys((await response.json()) as object).sort(), ['code', 'detail', 'status', 'title', 'type'])
  }
})

t.test('with a bad credential of any kind: 401 invalid_token, and no other is tried (RFC 6750 3.1)', async (t) => {
  const session = await signIn(server, user)
  const { apiKey } = await makeKey(server, user)
  const token = await accessToken(user, ['profile:read'])
  const openId = await authorize(server, await makeClient(server), user, { parameters: { scope: 'openid' } })
  const ofUserinfo = await openId.redeem()
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
  for (const route of [...ROUTES, SIGN_OUT]) {
    for (const [name, headers] of Object.entries(bad)) {
      const response = await call(route, headers)
      t.equal(response.status, 401, `${route.method} ${route.route} with ${name}`)
      const challenge = response.headers.get('www-authenticate') ?? ''
      t.match(challenge, /^Bearer error="invalid_token", error_description="[^"\\]+", resource_metadata="[^"]+"$/)
      t.match(await response.json(), { code: 'invalid_token' })
    }
  }
})

t.test(
  'each credential opens what its kind, role and scopes allow, and nothing else (ASVS V6.3.4, V8.2.1)',
  async (t) => {
    for (const caller of await callers()) {
      for (const route of ROUTES) {
        const { status, code, challenge } = expected(route, caller)
        const response = await call(route, caller.headers)
        t.equal(response.status, status, `${route.method} ${route.route} with ${caller.name}`)
        const body = await response.json()
        if (code !== undefined) t.match(body, { status, code })
        if (status === 403)
          t.ok(response.headers.get('www-authenticate')?.endsWith(`resource_metadata="${metadataUrl}"`))
        if (challenge !== undefined) t.match(response.headers.get('www-authenticate'), challenge)
      }
      const me = (await (await server.fetch('/api/me', { headers: caller.headers })).json()) as { scopes: string[] }
      t.match(me, { role: caller.role, credential: { kind: caller.kind } }, caller.name)
      t.strictSame(me.scopes.sort(), [...caller.scopes].sort())
    }
  },
)
