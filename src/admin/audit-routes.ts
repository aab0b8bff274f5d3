import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { record } from '../audit/audit.ts'
import { type StoredEvent, searchEvents } from '../audit/search.ts'
import { CLIENT_ID } from '../credentials/lineage.ts'
import { requirePrincipal } from '../credentials/plugin.ts'
import { UUID } from '../database/identifiers.ts'
import { InvalidRequest } from '../errors.ts'
import { MaybeText, Moment } from '../http/schemas.ts'
import { adminOrigin, READ } from './access.ts'
import { PAGE_QUERY, pageSchema, readPage } from './page.ts'
import type { AdminOptions } from './routes.ts'

const Instant = Type.String({ pattern: '^[1-9]\\d{3}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,3})?Z$' })
const Text = Type.String({ minLength: 1, maxLength: 200 })
const Query = Type.Object(
  {
    ...PAGE_QUERY,
    type: Type.Optional(Text),
    subject: Type.Optional(Text),
    client: Type.Optional(Text),
    since: Type.Optional(Instant),
    until: Type.Optional(Instant),
  },
  { additionalProperties: false },
)
const Named = Type.Object({ kind: Type.String(), id: MaybeText })
const Event = Type.Object({
  id: Type.Integer(),
  at: Moment,
  type: Type.String(),
  outcome: Type.String(),
  actor: Type.Optional(Named),
  subject: Type.Optional(Named),
  credential: Type.Optional(Named),
  clientId: MaybeText,
  from: MaybeText,
  details: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  hash: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    description: 'Of its link in the chain, once it has one',
  }),
})

/** What happened. */
export const auditRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { db }) => {
  app.get(
    '/api/admin/audit',
    {
      schema: {
        summary: 'List what happened',
        description:
          'The events of the audit, the newest first: of a type, of whom they concern, of a client, in a range of time (`since`, and before `until`). `audit verify` and `audit export` at the command line tell whether the log is whole.',
        tags: ['admin'],
        querystring: Query,
        response: { 200: pageSchema('events', Event) },
      },
      config: { access: READ },
    },
    async (request) => {
      const { type, subject, client, since, until, ...query } = request.query
      const filter = { type, subject, client, since: instant(since), until: instant(until) }
      const list = searchEvents.bind(undefined, db, filter)
      const placeOf = ({ at, id }: StoredEvent) => ({ createdAt: at, id: String(id) })
      const { items, next, asked } = await readPage(query, list, placeOf, /^[1-9]\d{0,14}$/)
      const details = { ...asked, ...filter, subject: idOf(subject), client: idOf(client) }
      await record(db, {
        type: 'audit.list',
        ...adminOrigin(request),
        subject: requirePrincipal(request).subject,
        details,
      })
      return { events: items.map(viewOf), ...next }
    },
  )
}

/** What is looked for, where it is an identifier of ours: what else was typed, such as an e-mail, is not kept. */
function idOf(text: string | undefined): string | undefined {
  return text === undefined || UUID.test(text) || CLIENT_ID.test(text) ? text : 'none of ours'
}

function instant(text: string | undefined): Date | undefined {
  const moment = text === undefined ? undefined : new Date(text)
  if (Number.isNaN(moment?.getTime())) throw new InvalidRequest('There is no such moment.')
  return moment
}

function viewOf({ id, at, type, outcome, clientId, from, details, hash, ...event }: StoredEvent) {
  const named = (kind: string | null, id: string | null) => (kind === null ? undefined : { kind, id })
  return {
    id,
    at,
    type,
    outcome,
    actor: named(event.actorKind, event.actorId),
    subject: named(event.subjectKind, event.subjectId),
    credential: named(event.credentialKind, event.credentialId),
    clientId,
    from,
    details: details ?? undefined,
    hash,
  }
}
