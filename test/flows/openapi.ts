import { Validator } from '@seriousme/openapi-schema-validator'
import t from 'tap'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makeKey, makePerson, signIn } from '../fixtures/people.ts'

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly tags: readonly string[]
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  readonly requestBody?: { readonly required: boolean }
  readonly responses: Readonly<Record<string, { description: string; content?: Readonly<Record<string, Content>> }>>
}
interface Content {
  readonly schema: { readonly properties: Readonly<Record<string, { readonly enum?: readonly string[] }>> }
}
interface Document {
  readonly openapi: string
  readonly servers: readonly { readonly url: string }[]
  readonly tags: readonly { readonly name: string }[]
  readonly components: { readonly securitySchemes: Readonly<Record<string, { readonly name?: string }>> }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

const server = await startGatehouse(t)
const answer = await server.fetch('/docs/openapi.json')
const document = (await answer.json()) as Document
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, ...operation })),
)
const find = (name: string) => {
  const found = operations.find((operation) => operation.name === name)
  if (found === undefined) throw new Error(`the document has no ${name}`)
  return found
}

t.test('the document is valid OpenAPI 3.1, for this server, and any page may read it', async (t) => {
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8')
  t.equal(answer.headers.get('access-control-allow-origin'), '*')
  const { valid, errors } = await new Validator().validate({ ...structuredClone(document) })
  t.ok(valid, JSON.stringify(errors))
  t.match(document.openapi, /^3\.1\./)
  t.strictSame(document.servers, [{ url: server.url }])
})

t.test('every operation has a name of its own, says what it does and what it answers', async (t) => {
  const names = operations.map(({ operationId }) => operationId)
  t.equal(new Set(names).size, names.length)
  const tags = new Set(document.tags.map(({ name }) => name))
  for (const { name, summary, description, tags: own, responses } of operations) {
    t.ok(summary && description, name)
    t.ok(own.length > 0 && own.every((tag) => tags.has(tag)), name)
    t.ok(
      Object.keys(responses).some((status) => status.startsWith('2')),
      name,
    )
    for (const response of Object.values(responses)) t.notMatch(response.description, 'Default Response', name)
  }
})

t.test('every route under /api and /gate is in it, and no page and no endpoint of the engine is', async (t) => {
  const routes = server.routes.filter(({ method, url }) => method !== 'HEAD' && /^\/(api|gate)\//.test(url))
  const written = routes.map(({ method, url }) => `${method} ${url.replace(/:(\w+)/g, '{$1}')}`)
  const described = operations.map(({ name }) => name).filter((name) => / \/(api|gate)\//.test(name))
  const leftOut = written.filter((name) => !described.includes(name))
  t.ok(
    leftOut.every((name) => name.endsWith(' /api/*') || name.endsWith(' /gate/verify/{scope}/*')),
    leftOut.join(),
  )
  t.strictSame(
    described.filter((name) => !written.includes(name)),
    [],
  )
  t.ok(described.length > 20)
  for (const { name } of operations) t.notMatch(name, / \/(oauth|interaction|requests|device|setup|assets)/)
})

t.test('each says which credentials it takes, with the scope that they need', async (t) => {
  const { securitySchemes } = document.components
  const any = (scope: string[]) => [
    { accessToken: scope },
    { dpopAccessToken: scope },
    { firstPartyJwt: scope },
    { apiKey: scope },
  ]
  t.strictSame(find('GET /api/me').security, any([]))
  t.strictSame(find('DELETE /api/keys/{id}').security, any(['keys:write']))
  t.strictSame(find('GET /api/sessions').security, [{ firstPartyJwt: [] }])
  t.strictSame(find('POST /api/auth/register').security, [])
  t.match(find('GET /api/admin/users').description, /administrators/)
  t.match(find('DELETE /api/sessions').description, /within the last 15 minutes/)
  t.equal(securitySchemes.apiKey?.name, 'X-API-Key')
  const cookie = await server.fetch('/api/auth/login/jwt', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' },
    body: JSON.stringify(await makePerson(server).then(({ email, password }) => ({ email, password }))),
  })
  t.ok(cookie.headers.getSetCookie().some((text) => text.startsWith(`${securitySchemes.refreshCookie?.name}=`)))
})

t.test('what is answered has the members that the document names, and what may be left out may be', async (t) => {
  const person = await makePerson(server)
  const jwt = bearer((await signIn(server, person)).accessToken)
  await makeKey(server, person)
  for (const path of ['/api/me', '/api/keys', '/api/grants', '/api/sessions', '/api/protected/any', '/healthz']) {
    const body = (await (await server.fetch(path, { headers: jwt })).json()) as object
    const named = find(`GET ${path}`).responses[200]?.content?.['application/json']?.schema.properties ?? {}
    for (const member of Object.keys(body)) t.ok(member in named, `${path}: ${member}`)
  }
  t.equal(find('POST /api/auth/refresh').requestBody?.required, false)
  t.equal(find('POST /api/auth/login/jwt').requestBody?.required, true)
})

t.test('a refusal comes with a code that the document names (RFC 9457)', async (t) => {
  const person = await makePerson(server)
  const jwt = bearer((await signIn(server, person)).accessToken)
  const none = '00000000-0000-4000-8000-000000000000'
  const requests: [string, string, string, object?][] = [
    ['GET /api/keys', 'GET', '/api/keys'],
    ['GET /api/admin/users', 'GET', '/api/admin/users', { headers: jwt }],
    ['DELETE /api/keys/{id}', 'DELETE', `/api/keys/${none}`, { headers: jwt }],
    ['DELETE /api/keys/{id}', 'DELETE', '/api/keys/none', { headers: jwt }],
    ['GET /api/protected/apikey', 'GET', '/api/protected/apikey', { headers: jwt }],
    ['POST /api/auth/login/jwt', 'POST', '/api/auth/login/jwt', { body: 'x', headers: { 'content-type': 'text/x' } }],
    ['POST /api/auth/refresh', 'POST', '/api/auth/refresh'],
  ]
  for (const [name, method, path, init] of requests) {
    const response = await server.fetch(path, { method, ...init })
    const { code } = (await response.json()) as { code: string }
    const problem = find(name).responses[response.status]?.content?.['application/problem+json']
    t.ok(problem?.schema.properties.code?.enum?.includes(code), `${name}: ${response.status} ${code}`)
  }
})
