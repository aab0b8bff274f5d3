import type { FastifyBaseLogger } from 'fastify'
import type { Database } from '../database/client.ts'
import { logoutOutbox } from '../logout-notices/logout-notices.ts'
import { createDelivery, type Delivery } from './delivery.ts'
import type { Engine } from './engine.ts'
import { signLogoutToken } from './engine-internals.ts'

/** Tells clients of sign-outs (OpenID Connect Back-Channel Logout 1.0 2.5). */
export function createLogoutDelivery(db: Database, engine: () => Engine, log: FastifyBaseLogger): Delivery {
  return createDelivery({ db, engine, log }, 'a sign-out', logoutOutbox, async (client, { id, accountId, sid }) => {
    const uri = client.backchannelLogoutUri
    if (uri === undefined) return undefined
    const token = await signLogoutToken(engine().provider, client, { sub: accountId, sid, jti: id })
    return {
      uri,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: String(new URLSearchParams({ logout_token: token })),
    }
  })
}
