import { and, eq, sql } from 'drizzle-orm'
import { type Adapter, type AdapterPayload, Provider } from 'oidc-provider'
import { record } from '../../audit/audit.ts'
import type { Database } from '../../database/client.ts'
import { providerModels } from '../../database/schema.ts'
import { TooManyAttempts } from '../../errors.ts'
import { keepPing } from '../../ping-notices/ping-notices.ts'
import { digest } from '../../secrets/opaque-token.ts'
import { originOfEngine, ownerOf } from '../audit-trail.ts'
import type { AuthorizationServerDependencies } from '../dependencies.ts'
import { refuseForNow } from '../refuse-for-now.ts'
import { isPending } from './pending.ts'
import { createRequestAdapter } from './request-adapter.ts'

const MODEL = 'BackchannelAuthenticationRequest'

/** So many requests may wait for one person, and so many of one client: nobody is buried in them, nor kept from others. */
const MOST_OPEN = 10
const MOST_OPEN_OF_A_CLIENT = 3
/** Seconds after which a client may try again that has too many. */
const TRY_AGAIN = 60

type Payload = AdapterPayload & { readonly params?: Readonly<Record<string, unknown>> }

/**
 * Stores requests that clients make of people (OpenID Connect CIBA Core 1.0), with the address that they came from. What a
 * client is to be told with is kept in an outbox, sealed.
 */
export function createBackchannelAdapter({
  work,
  sealer,
}: Pick<AuthorizationServerDependencies, 'work' | 'sealer'>): Adapter {
  const adapter = createRequestAdapter(MODEL, work)
  return {
    ...adapter,

    upsert: (id, payload: Payload, expiresIn = 0) =>
      work.atOnce(async () => {
        const { accountId = '', clientId = '', params } = payload
        const origin = originOfEngine(Provider.ctx)
        await requireFewOpen(work.db, accountId, clientId)
        await adapter.upsert(id, { ...payload, from: origin.from } as AdapterPayload, expiresIn)
        const token = params?.client_notification_token
        if (typeof token === 'string') {
          const giveUpAt = new Date(Date.now() + expiresIn * 1000)
          await keepPing(work.db, sealer, { id: digest(id), clientId, accountId, giveUpAt }, { token, request: id })
        }
        const subject = ownerOf({ accountId })
        const details = { request: digest(id), scope: params?.scope, resource: params?.resource }
        await record(work.db, {
          type: 'backchannel_authentication.request',
          ...origin,
          ...(subject?.kind === 'account' ? { subject } : {}),
          details,
        })
      }),
  }
}

/** One after another for each person, so that of many that come together no more than may be get through. */
async function requireFewOpen(db: Database, accountId: string, client: string): Promise<void> {
  await db.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`${MODEL} ${accountId}`}, 0))`)
  const { model, accountId: ofAccount, clientId } = providerModels
  const [open] = await db
    .select({
      all: sql<number>`count(*)::int`,
      own: sql<number>`(count(*) filter (where ${clientId} = ${client}))::int`,
    })
    .from(providerModels)
    .where(and(eq(model, MODEL), eq(ofAccount, accountId), isPending(new Date())))
  const tooMany = (open?.all ?? 0) >= MOST_OPEN || (open?.own ?? 0) >= MOST_OPEN_OF_A_CLIENT
  if (tooMany) refuseForNow(new TooManyAttempts(TRY_AGAIN))
}
