import { dpopHeaders, makeDpopKey, makeProof } from '../../test/fixtures/dpop.ts'
import type { Gatehouse } from '../gatehouse/gatehouse.ts'
import { basic, postForm } from '../gatehouse/http.ts'
import { clientCredentials, type World } from '../gatehouse/world.ts'
import type { Case } from './case.ts'

/** Proofs made for a second of load; when they are used up the round is over. */
const PROOFS_PER_SECOND = 3_000

/** One bound token again and again, each time with a proof of its own, whose `jti` is used up in the database. */
export function boundChecks(gatehouse: Gatehouse, world: World): Case[] {
  return [
    {
      name: 'dpop-bound-token',
      title: 'OAuth access token (JWT), bound by DPoP',
      group: 'warm',
      server: async () => gatehouse.process,
      async load(seconds) {
        const key = await makeDpopKey()
        const url = `${gatehouse.url}/oauth/token`
        const headers = { ...basic(world.machine), dpop: await makeProof(key, { method: 'POST', url }) }
        const { access_token: token } = await postForm<{ access_token: string }>(url, clientCredentials('jwt'), headers)
        const proofs = Array.from({ length: seconds * PROOFS_PER_SECOND }, () => dpopHeaders(gatehouse, key, token))
        return { path: '/api/me', variants: (await Promise.all(proofs)).map((headers) => ({ headers })), once: true }
      },
    },
  ]
}
