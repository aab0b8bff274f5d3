import type { Database } from '../database/client.ts'
import { auditEvents } from '../database/schema.ts'

/** What happened. Carries identifiers only, never a credential, code or token. */
export interface AuditEvent {
  /** `noun.verb`, for instance `account.sign_in`. */
  readonly type: string
  readonly outcome?: 'success' | 'failure'
  readonly subject?: { readonly kind: 'account' | 'client'; readonly id: string } | undefined
  readonly clientId?: string | undefined
  readonly credential?: { readonly kind: string; readonly id: string } | undefined
  /** The network address the request came from. */
  readonly from?: string | undefined
  readonly details?: Record<string, unknown>
}

/** Appends an event; give it the transaction of the change it tells of, so that both happen or neither. */
export async function record(db: Database, event: AuditEvent): Promise<void> {
  await db.insert(auditEvents).values({
    type: event.type,
    outcome: event.outcome ?? 'success',
    subjectKind: event.subject?.kind,
    subjectId: event.subject?.id,
    clientId: event.clientId,
    credentialKind: event.credential?.kind,
    credentialId: event.credential?.id,
    from: event.from,
    details: event.details,
  })
}
