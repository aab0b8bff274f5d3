import { sql } from 'drizzle-orm'
import { type Batch, createBatch } from '../database/batch.ts'
import type { Database } from '../database/client.ts'
import { auditEvents } from '../database/schema.ts'

/** Who asked for a change, through what and from where. */
export interface Origin {
  /** Who did it, where that is not the subject itself. */
  readonly actor?:
    | { readonly kind: 'operator' }
    | { readonly kind: 'account' | 'client'; readonly id: string }
    | undefined
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

/**
 * Events that tell of no change in the database, such as the issue of a JWT: those of many requests are
 * appended by one statement, and each is there when its writing returns.
 */
export function createEventBatch(db: Database): Batch<AuditEvent> {
  return createBatch(async (events) => {
    const rows = JSON.stringify(events.map(rowOf))
    await db.execute(sql`
      insert into audit_events (type, outcome, actor_kind, actor_id, subject_kind, subject_id, client_id, credential_kind,
        credential_id, from_address, details)
      select type, outcome, "actorKind", "actorId", "subjectKind", "subjectId", "clientId", "credentialKind", "credentialId",
        "from", details
      from json_to_recordset(${rows}::json) as events (type text, outcome text, "actorKind" text, "actorId" text, "subjectKind" text,
        "subjectId" text, "clientId" text, "credentialKind" text, "credentialId" text, "from" text, details jsonb)`)
  })
}

/** Appends an event; give it the transaction of the change it tells of, so that both happen or neither. */
export async function record(db: Database, event: AuditEvent): Promise<void> {
  await db.insert(auditEvents).values(rowOf(event))
}

function rowOf(event: AuditEvent): typeof auditEvents.$inferInsert {
  return {
    type: event.type,
    outcome: event.outcome ?? 'success',
    actorKind: event.actor?.kind,
    actorId: event.actor !== undefined && 'id' in event.actor ? event.actor.id : undefined,
    subjectKind: event.subject?.kind,
    subjectId: event.subject?.id,
    clientId: event.clientId,
    credentialKind: event.credential?.kind,
    credentialId: event.credential?.id,
    from: event.from,
    details: event.details,
  }
}
