import { hash } from 'node:crypto'
import type { auditEvents } from '../database/schema.ts'

/** An event as it is chained and exported, in wire spelling; members without a value are left out. */
export interface ChainedEvent {
  /** The UTC day it was linked, `YYYY-MM-DD`, and its place in that day's chain, from 1. */
  readonly day: string
  readonly seq: number
  readonly id: number
  /** When the change's transaction began, ISO 8601. */
  readonly at: string
  readonly type: string
  readonly outcome: string
  readonly details?: unknown
  readonly [member: string]: unknown
}

/** What the first event of all is linked to. */
export const GENESIS = ''

/** The hash that links an event to the one before: SHA-256, base64url, of that one's hash and the event. */
export function link(before: string, event: ChainedEvent): string {
  return hash('sha256', `${before}\n${canonical(event)}`, 'base64url')
}

/** JSON in one form only (RFC 8785): members sorted, no spaces. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`
}

/** A row as it is chained, at a place. */
export function toChained(row: typeof auditEvents.$inferSelect, day: string, seq: number): ChainedEvent {
  return {
    day,
    seq,
    id: row.id,
    at: Number.isNaN(row.at.getTime()) ? 'never' : row.at.toISOString(),
    type: row.type,
    outcome: row.outcome,
    actor: reference(row.actorKind, row.actorId),
    subject: reference(row.subjectKind, row.subjectId),
    client_id: row.clientId ?? undefined,
    credential: reference(row.credentialKind, row.credentialId),
    from: row.from ?? undefined,
    details: row.details ?? undefined,
  }
}

function reference(kind: string | null, id: string | null) {
  return kind === null && id === null ? undefined : { kind: kind ?? undefined, id: id ?? undefined }
}
