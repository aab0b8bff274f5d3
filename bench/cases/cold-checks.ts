import { authorize, refresh } from '../gatehouse/authorization.ts'
import {
  insertApiKeys,
  insertOpaqueTokens,
  signAccessTokens,
  signFirstPartyJwts,
} from '../gatehouse/fresh-credentials.ts'
import type { Gatehouse } from '../gatehouse/gatehouse.ts'
import { bearer } from '../gatehouse/http.ts'
import { machineToken, signIn, type World } from '../gatehouse/world.ts'
import type { Load } from '../load/load.ts'
import type { Case } from './case.ts'
import { bearerOf } from './checks.ts'

/** Credentials made for a second of load; when they are used up the round is over. */
const JWTS_PER_SECOND = 4_000
const ROWS_PER_SECOND = 3_000

/** Each request with another credential that the process has never seen. */
export async function coldChecks(gatehouse: Gatehouse, world: World): Promise<Case[]> {
  const person = bearerOf(world)
  let authorization = await authorize(gatehouse, world.web, person)
  let opaque = await authorize(gatehouse, world.opaqueWeb, person)
  const shared = { group: 'cold', server: async () => gatehouse.process } as const
  const ofJwt = { ...shared, target: { against: 'jose', atLeast: 0.95 } }
  const ofRow = { ...shared, target: { against: 'look-up', atLeast: 0.85 } }
  const bearers = (tokens: readonly string[]): Load => ({
    path: '/api/me',
    variants: tokens.map((token) => ({ headers: bearer(token) })),
    once: true,
  })
  const jwts = (tokens: readonly string[]): Load => ({ ...bearers(tokens), isAwake: true })
  return [
    {
      ...ofJwt,
      name: 'first-party-jwt-cold',
      title: 'First-party JWT',
      async load(seconds) {
        const { accessToken } = await signIn(gatehouse, person)
        return jwts(await signFirstPartyJwts(gatehouse, accessToken, seconds * JWTS_PER_SECOND))
      },
    },
    {
      ...ofJwt,
      name: 'access-token-cold',
      title: 'OAuth access token (JWT) of a person',
      async load(seconds) {
        authorization = await refresh(gatehouse, world.web, authorization.refresh_token)
        return jwts(await signAccessTokens(gatehouse, authorization.access_token, seconds * JWTS_PER_SECOND))
      },
    },
    {
      ...ofJwt,
      name: 'machine-token-cold',
      title: 'OAuth access token (JWT) of a machine',
      async load(seconds) {
        const token = await machineToken(gatehouse, world, 'jwt')
        return jwts(await signAccessTokens(gatehouse, token, seconds * JWTS_PER_SECOND))
      },
    },
    {
      ...ofRow,
      name: 'access-token-opaque-cold',
      title: 'OAuth access token (opaque) of a person',
      async load(seconds) {
        opaque = await refresh(gatehouse, world.opaqueWeb, opaque.refresh_token)
        return bearers(await insertOpaqueTokens(gatehouse, opaque.access_token, seconds * ROWS_PER_SECOND))
      },
    },
    {
      ...ofRow,
      name: 'api-key-cold',
      title: 'API key',
      async load(seconds) {
        const keys = await insertApiKeys(gatehouse, person, seconds * ROWS_PER_SECOND)
        return {
          path: '/api/me',
          variants: keys.map(({ secret }) => ({ headers: { 'x-api-key': secret } })),
          once: true,
        }
      },
    },
  ]
}
