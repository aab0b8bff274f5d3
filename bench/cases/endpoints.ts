import { authorize } from '../gatehouse/authorization.ts'
import type { Gatehouse } from '../gatehouse/gatehouse.ts'
import { basic, FORM, JSON_BODY } from '../gatehouse/http.ts'
import { clientCredentials, machineToken, signIn, type World } from '../gatehouse/world.ts'
import type { Case } from './case.ts'

/** Refresh tokens that go round; more than connections. */
const CHAINS = 24

/** The endpoints that issue tokens, tell what they are, and sign people in. */
export async function endpoints(gatehouse: Gatehouse, world: World): Promise<Case[]> {
  const shared = { group: 'endpoint', server: async () => gatehouse.process } as const
  const headers = { ...FORM, ...basic(world.machine) }
  return [
    ...(['jwt', 'opaque'] as const).map(
      (format): Case => ({
        ...shared,
        name: `client-credentials-${format}`,
        title: format === 'jwt' ? 'Client credentials, JWT' : 'Client credentials, opaque token',
        target: { against: 'oidc-provider', atLeast: format === 'jwt' ? 0.9 : 0.6 },
        load: () => ({
          path: '/oauth/token',
          method: 'POST',
          headers,
          body: String(new URLSearchParams(clientCredentials(format))),
        }),
      }),
    ),
    refreshes(gatehouse, world),
    firstPartyRefreshes(gatehouse, world),
    ...(['jwt', 'opaque'] as const).map(
      (format): Case => ({
        ...shared,
        name: `introspection-${format}`,
        title: format === 'jwt' ? 'Introspection of a JWT' : 'Introspection of an opaque token',
        async load() {
          const token = await machineToken(gatehouse, world, format)
          return { path: '/oauth/introspect', method: 'POST', headers, body: String(new URLSearchParams({ token })) }
        },
      }),
    ),
    {
      ...shared,
      name: 'sign-in',
      title: 'Sign-in with a password',
      target: { against: 'argon2id', atLeast: 0.95 },
      load: () => ({
        path: '/api/auth/login/jwt',
        method: 'POST',
        headers: JSON_BODY,
        variants: world.people.map(({ email, password }) => ({ body: JSON.stringify({ email, password }) })),
      }),
    },
  ]
}

function refreshes(gatehouse: Gatehouse, world: World): Case {
  let tokens: readonly string[] | undefined
  return {
    name: 'refresh',
    title: 'Refresh (OAuth)',
    group: 'endpoint',
    server: async () => gatehouse.process,
    async load() {
      tokens ??= await inTurn(world.people.slice(0, CHAINS), async (person) => {
        return (await authorize(gatehouse, world.web, person)).refresh_token
      })
      const body = 'grant_type=refresh_token&refresh_token=TOKEN'
      return {
        path: '/oauth/token',
        method: 'POST',
        headers: { ...FORM, ...basic(world.web) },
        chain: { tokens, body, member: 'refresh_token' },
      }
    },
    keep(left) {
      tokens = left
    },
  }
}

function firstPartyRefreshes(gatehouse: Gatehouse, world: World): Case {
  let tokens: readonly string[] | undefined
  return {
    name: 'first-party-refresh',
    title: 'Refresh (first-party session)',
    group: 'endpoint',
    server: async () => gatehouse.process,
    async load() {
      tokens ??= await inTurn(world.people.slice(0, CHAINS), async (person) => {
        return (await signIn(gatehouse, person)).refreshToken
      })
      const chain = { tokens, body: '{"refreshToken":"TOKEN"}', member: 'refreshToken' }
      return { path: '/api/auth/refresh', method: 'POST', headers: JSON_BODY, chain }
    },
    keep(left) {
      tokens = left
    },
  }
}

async function inTurn<T, Result>(items: readonly T[], work: (item: T) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  for (const item of items) results.push(await work(item))
  return results
}
