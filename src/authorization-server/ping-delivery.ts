import type { FastifyBaseLogger } from 'fastify'
import type { Database } from '../database/client.ts'
import { openPing, pingOutbox } from '../ping-notices/ping-notices.ts'
import type { Sealer } from '../secrets/sealed.ts'
import { createDelivery, type Delivery } from './delivery.ts'
import type { Engine } from './engine.ts'

/** Tells clients that a person has answered, and not what (OpenID Connect CIBA Core 1.0 10.2). */
export function createPingDelivery(
  db: Database,
  sealer: Sealer,
  engine: () => Engine,
  log: FastifyBaseLogger,
): Delivery {
  return createDelivery({ db, engine, log }, 'an answer', pingOutbox, async (client, notice) => {
    const uri = client.backchannelClientNotificationEndpoint
    if (uri === undefined) return undefined
    const { token, request } = await openPing(sealer, notice)
    return {
      uri,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ auth_req_id: request }),
    }
  })
}
