/**
 * Fails when a route lacks what callers are to be told of it in the OpenAPI document: summary, description, tag, schemas
 * of what it takes and answers, and who may call it; or when the document itself is not made of them.
 */
import { randomBytes } from 'node:crypto'
import type { FastifySchema, RouteOptions } from 'fastify'
import { createApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { makeDatabase } from '../test/fixtures/database.ts'

/** What no program calls, or is described elsewhere. */
const LEFT_OUT: readonly (readonly [what: RegExp, why: string])[] = [
  [/^\/(oauth\/|\.well-known\/(openid-configuration|oauth-authorization-server)$)/, 'by the server metadata (RFC 8414)'],
  [/^\/(interaction|requests|device|setup|upstreams|assets)(\/|$)/, 'pages for people, and what they load'],
  [/^\/api\/\*$/, 'nothing is there'],
  [/^\/gate\/verify\/:scope\/\*$/, 'in the description of /gate/verify'],
]

const isClosed = (schema: unknown) => (schema as { additionalProperties?: unknown }).additionalProperties === false

const database = await makeDatabase()
try {
  const config = loadConfig({ LOG_LEVEL: 'silent' })
  const routes: RouteOptions[] = []
  const onRoute = (route: RouteOptions) => void routes.push(route)
  const app = await createApp({ config, storage: database.storage, secretKeys: [randomBytes(32)], onRoute })
  await app.ready()
  const { tags = [] } = app.swagger() as { tags?: readonly { name: string }[] }
  await app.close()
  const known = new Set(tags.map(({ name }) => name))
  // Fastify adds HEAD to each GET.
  for (const route of routes.filter(({ method }) => method !== 'HEAD')) {
    for (const problem of problemsOf(route, known)) {
      console.error(`${route.method} ${route.url} ${problem}`)
      process.exitCode = 1
    }
  }
} finally {
  await database.drop()
}

function problemsOf({ method, url, schema, config }: RouteOptions, tags: ReadonlySet<string>): string[] {
  const problems: string[] = []
  const must = (isSo: boolean, problem: string) => isSo || problems.push(problem)
  if (/^\/(api|gate)\//.test(url)) must(config?.access !== undefined, 'does not say who may call it')
  if (LEFT_OUT.some(([what]) => what.test(url))) return problems
  const { summary, description, tags: own = [], params, body, querystring, response } = schema ?? ({} as FastifySchema)
  must(Boolean(summary), 'has no summary')
  must(Boolean(description), 'has no description')
  must(own.length > 0 && own.every((tag) => tags.has(tag)), `has no tag of ${[...tags].join(', ')}`)
  must(Object.keys(response ?? {}).some((status) => /^2/.test(status)), 'has no schema of what it answers')
  must(!url.includes(':') || params !== undefined, 'has no schema of its path')
  must(!['POST', 'PUT', 'PATCH'].includes(String(method)) || body !== undefined, 'has no schema of its body')
  for (const [what, input] of Object.entries({ body, querystring })) {
    must(input === undefined || isClosed(input), `takes more in its ${what} than its schema names`)
  }
  return problems
}
