import { authorize, refresh } from '../gatehouse/authorization.ts'
import type { Gatehouse } from '../gatehouse/gatehouse.ts'
import { bearer, json } from '../gatehouse/http.ts'
import { makeApiKey, type Person, signIn, type World } from '../gatehouse/world.ts'
import type { Load } from '../load/load.ts'
import { BASELINE, type Case } from './case.ts'

/** Whoever presents credentials in the checks. */
export const bearerOf = ({ people }: World): Person => people[0] as Person

/** An API key of theirs, with the answer that Gatehouse gives to it. */
export async function makeCheckedKey(server: Gatehouse, world: World) {
  const { apiKey } = await makeApiKey(server, bearerOf(world))
  const answer = await json<object>(fetch(`${server.url}/api/me`, { headers: { 'x-api-key': apiKey } }))
  return { apiKey, answer }
}

/** One credential of each kind at `GET /api/me`, again and again. */
export async function warmChecks(gatehouse: Gatehouse, world: World, apiKey: string): Promise<Case[]> {
  const person = bearerOf(world)
  let authorization = await authorize(gatehouse, world.web, person)
  let opaque = await authorize(gatehouse, world.opaqueWeb, person)
  const shared = {
    group: 'warm',
    server: async () => gatehouse.process,
    target: { against: BASELINE, atLeast: 0.9 },
  } as const
  const warm = async (headers: Record<string, string>, path = '/api/me'): Promise<Load> => {
    await fetch(`${gatehouse.url}${path}`, { headers })
    return { path, headers, isAwake: true }
  }
  return [
    {
      ...shared,
      name: 'first-party-jwt',
      title: 'First-party JWT',
      load: async () => warm(bearer((await signIn(gatehouse, person)).accessToken)),
    },
    {
      ...shared,
      name: 'access-token',
      title: 'OAuth access token (JWT)',
      async load() {
        authorization = await refresh(gatehouse, world.web, authorization.refresh_token)
        return warm(bearer(authorization.access_token))
      },
    },
    {
      ...shared,
      name: 'access-token-opaque',
      title: 'OAuth access token (opaque)',
      async load() {
        opaque = await refresh(gatehouse, world.opaqueWeb, opaque.refresh_token)
        return warm(bearer(opaque.access_token))
      },
    },
    { ...shared, name: 'api-key', title: 'API key', load: () => warm({ 'x-api-key': apiKey }) },
    {
      ...shared,
      name: 'gate',
      title: 'Forward authentication, API key',
      load: () => warm({ 'x-api-key': apiKey }, '/gate/verify?scope=profile:read'),
      target: { against: BASELINE, atLeast: 0.8 },
    },
  ]
}
