import type { Database } from '../database/client.ts'
import { auditEvents } from '../database/schema.ts'

/** Who asked for a change, through what and from where. */
export interface Origin {
  /** Who did it, where that is not the subject itself. */
  readonly actor?: { readonly kind: 'operator' } | undefined
  /** The credential it was asked with, by its identifier. */
  readonly credential?: { readonly kind: string; readonly id: string } | undefined
  /** The client through which it was asked. */
  readonly clientId?: string | undefined
  /** The network address the request came from. */
  readonly from?: string | undefined
}

/** What happened. Carries identifiers only, never a credential, code or token, nor an e-mail. */
export interface AuditEvent extends Origin {
  /** `noun.verb`, for instance `session.start`. */
  readonly type: string
  readonly outcome?: 'success' | 'failure'
  /** Whom it concerns. */
  readonly subject?: { readonly kind: 'account' | 'client'; readonly id: string } | undefined
  /** Text that PostgreSQL takes: no NUL, no half of a surrogate pair. */
  readonly details?: Record<string, unknown> | undefined
}

/** The operator at the command line. */
export const OPERATOR: Origin = { actor: { kind: 'operator' }, from: 'cli' }

/** Appends an event; give it the transaction of the change it tells of, so that both happen or neither. */
export async function record(db: Database, event: AuditEvent): Promise<void> {
  await db.insert(auditEvents).values({
    type: event.type,
    outcome: event.outcome ?? 'success',
    actorKind: event.actor?.kind,
    subjectKind: event.subject?.kind,
    subjectId: event.subject?.id,
    clientId: event.clientId,
    credentialKind: event.credential?.kind,
    credentialId: event.credential?.id,
    from: event.from,
    details: event.details,
  })
}
