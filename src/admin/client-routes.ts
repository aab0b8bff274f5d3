import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { changeClient } from '../clients/change-client.ts'
import { type Client, createClient, deleteClient, listClients, requireClient } from '../clients/clients.ts'
import { toMetadata } from '../clients/metadata.ts'
import { fromOperator, type OperatorMetadata, toOperator } from '../clients/operator-metadata.ts'
import { CLIENT_ID } from '../credentials/lineage.ts'
import type { Database } from '../database/client.ts'
import { requireResource } from '../resources/resources.ts'
import { adminOrigin, READ, WRITE } from './access.ts'
import { ClientChange, ClientView, ClientWithSecret, NewClient } from './client-schemas.ts'
import { IfMatch, REMOVAL, removeAsRead, requireIfMatch, tagged } from './entity-tag.ts'
import { createOnce, IdempotencyKey } from './idempotency.ts'
import { createOutside } from './outside.ts'
import { PageQuery, pageSchema, readPage } from './page.ts'
import type { AdminOptions } from './routes.ts'

export const ClientParams = Type.Object({ id: Type.String({ maxLength: 200 }) })
const tags = ['admin']
/** The codes of what is wrong with metadata. */
const METADATA = ['invalid_redirect_uri', 'invalid_scope', 'invalid_target']

/** The clients, those that registered themselves too. */
export const clientRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { db, issuer, sealer }) => {
  const create = createOnce({ db, sealer })
  const outside = createOutside(issuer)
  const requireOutside = (said: Partial<OperatorMetadata>) =>
    outside.require(said.jwks_uri, said.backchannel_logout_uri, said.backchannel_client_notification_endpoint)
  const requireServed = async (tx: Database, serves: readonly string[] | null | undefined) => {
    for (const identifier of serves ?? []) await requireResource(tx, issuer, identifier)
  }

  app.get(
    '/api/admin/clients',
    {
      schema: {
        summary: 'List clients',
        description: 'In the order they were registered, by an operator or (`dynamic`) by themselves.',
        tags,
        querystring: PageQuery,
        response: { 200: pageSchema('clients', ClientView) },
      },
      config: { access: READ },
    },
    async (request) => {
      const { items, next } = await readPage(
        request.query,
        listClients.bind(undefined, db),
        (client) => client,
        CLIENT_ID,
      )
      return { clients: items.map(viewOf), ...next }
    },
  )

  app.get(
    '/api/admin/clients/:id',
    {
      schema: {
        summary: 'Read a client',
        description: 'Its metadata (RFC 7591), without its secret, which nobody knows.',
        tags,
        params: ClientParams,
        response: { 200: ClientView },
      },
      config: { access: READ },
    },
    async (request, reply) => tagged(reply, viewOf(await requireClient(db, request.params.id))),
  )

  app.post(
    '/api/admin/clients',
    {
      schema: {
        summary: 'Register a client',
        description:
          'By client metadata (RFC 7591) with `client_type`, which decides how it authenticates and what it may use, and other members of ours. A secret is told this once.',
        tags,
        headers: IdempotencyKey,
        body: NewClient,
        response: { 201: ClientWithSecret },
      },
      config: { access: WRITE, problems: { 400: METADATA } },
    },
    async (request, reply) => {
      const metadata = request.body as OperatorMetadata
      const input = fromOperator(metadata)
      requireOutside(metadata)
      return create(request, reply, async (tx) => {
        await requireServed(tx, metadata.serves)
        const { client, secret } = await createClient(tx, input, adminOrigin(request))
        return { location: locationOf(client), view: viewOf(client), secret: secretOf(secret) }
      })
    },
  )

  app.patch(
    '/api/admin/clients/:id',
    {
      schema: {
        summary: 'Change a client',
        description:
          'Its type stays. One that is to authenticate by a secret from now on gets it in the answer. A scope that is taken away is in no token that is issued from now on; a role is gone on the next request; an app that is no longer `first_party` loses what it was granted, and asks. A client that registered itself changes itself.',
        tags,
        params: ClientParams,
        headers: IfMatch,
        body: ClientChange,
        response: { 200: ClientWithSecret },
      },
      config: {
        access: WRITE,
        problems: { 400: METADATA, 409: ['client_is_dynamic'], 428: ['precondition_required'] },
      },
    },
    async (request, reply) => {
      const isAsRead = requireIfMatch(request)
      const change = request.body as Partial<OperatorMetadata>
      await requireServed(db, change.serves)
      requireOutside(change)
      const { client, secret } = await changeClient(
        db,
        request.params.id,
        (before) => {
          isAsRead(viewOf(before))
          return fromOperator(changed(toOperator(before), change))
        },
        new Date(),
        adminOrigin(request),
      )
      return { ...tagged(reply, viewOf(client)), ...secretOf(secret) }
    },
  )

  app.delete(
    '/api/admin/clients/:id',
    {
      schema: {
        summary: 'Delete a client',
        description: 'With all that it was granted and issued; its tokens are refused from the next request on.',
        tags,
        params: ClientParams,
        ...REMOVAL,
      },
      config: { access: WRITE },
    },
    async (request, reply) =>
      removeAsRead(request, reply, viewOf, (check) =>
        deleteClient(db, request.params.id, new Date(), adminOrigin(request), check),
      ),
  )
}

export const locationOf = ({ id }: Client) => `/api/admin/clients/${encodeURIComponent(id)}`

/** What is told of a client. The digest of its secret is not. */
export function viewOf(client: Client) {
  const { client_secret: _, allowed_scope: __, ...metadata } = toMetadata(client)
  return { ...metadata, client_type: client.type, scope: client.scope.join(' ') } as Told
}

interface Told {
  readonly [name: string]: unknown
  readonly client_id: string
  readonly client_id_issued_at: number
  readonly client_name: string
  readonly client_type: Client['type']
  readonly client_role: Client['role']
  readonly redirect_uris: string[]
  readonly scope: string
  readonly grant_types: string[]
  readonly response_types: string[]
  readonly token_endpoint_auth_method: string
  readonly application_type: string
  readonly first_party: boolean
  readonly dynamic: boolean
}

/** A new secret, as RFC 7591 3.2.1 tells it. */
export const secretOf = (secret: string | undefined) =>
  secret === undefined ? {} : { client_secret: secret, client_secret_expires_at: 0 }

/** What is said of a client with a change to it, in which null takes a member away (RFC 7396). */
function changed(before: OperatorMetadata, change: object): OperatorMetadata {
  const members = Object.entries({ ...before, ...change }).filter(([, value]) => value !== null)
  return Object.fromEntries(members) as unknown as OperatorMetadata
}
