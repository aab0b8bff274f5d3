import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { hashNewPassword, insertAccount, type Role } from '../accounts/accounts.ts'
import { changeAccount } from '../accounts/change-account.ts'
import { type ListedAccount, listAccounts, readAccount } from '../accounts/directory.ts'
import { Email, Name, NewPassword, wireRole } from '../accounts/schemas.ts'
import { record } from '../audit/audit.ts'
import { requirePrincipal } from '../credentials/plugin.ts'
import { UUID } from '../database/identifiers.ts'
import { Conflict } from '../errors.ts'
import { Moment } from '../http/schemas.ts'
import { adminOrigin, READ, WRITE } from './access.ts'
import { IfMatch, requireIfMatch, tagged } from './entity-tag.ts'
import { createOnce, IdempotencyKey } from './idempotency.ts'
import { PAGE_QUERY, pageSchema, readPage } from './page.ts'
import type { AdminOptions } from './routes.ts'

const WireRole = Type.Union([Type.Literal('USER'), Type.Literal('ADMIN'), Type.Literal('SERVICE')])
const Account = Type.Object({
  id: Type.String(),
  email: Type.String(),
  name: Type.Union([Type.String(), Type.Null()]),
  role: WireRole,
  disabled: Type.Boolean(),
  createdAt: Moment,
})
export const AccountParams = Type.Object({ id: Type.String({ pattern: UUID.source }) })
const Query = Type.Object(
  { ...PAGE_QUERY, email: Type.Optional(Email), role: Type.Optional(WireRole) },
  { additionalProperties: false },
)
const NewAccount = Type.Object(
  {
    email: Email,
    name: Type.Optional(Name),
    role: Type.Optional(WireRole),
    password: Type.Optional(NewPassword),
  },
  { additionalProperties: false },
)
const Change = Type.Object(
  {
    name: Type.Optional(Type.Union([Name, Type.Null()])),
    role: Type.Optional(WireRole),
    disabled: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
const tags = ['admin']

/** The accounts: found, made, changed. */
export const accountRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, { db, sealer, issuer }) => {
  const create = createOnce({ db, sealer })
  const host = new URL(issuer).hostname

  app.get(
    '/api/admin/accounts',
    {
      schema: {
        summary: 'List accounts',
        description: 'In the order they were made; all, or those with an e-mail address or a role.',
        tags,
        querystring: Query,
        response: { 200: pageSchema('accounts', Account) },
      },
      config: { access: READ },
    },
    async (request) => {
      const { email, role, ...query } = request.query
      const list = listAccounts.bind(undefined, db, { email, role: roleOf(role) })
      const { items, next, asked } = await readPage(query, list, (account) => account)
      const { subject } = requirePrincipal(request)
      const details = { ...asked, byEmail: email !== undefined, role }
      await record(db, { type: 'account.list', ...adminOrigin(request), subject, details })
      return { accounts: items.map(viewOf), ...next }
    },
  )

  app.get(
    '/api/admin/accounts/:id',
    {
      schema: {
        summary: 'Read an account',
        description: 'Disabled or not. Its ETag is for the change that is decided on what was read.',
        tags,
        params: AccountParams,
        response: { 200: Account },
      },
      config: { access: READ },
    },
    async (request, reply) => {
      const { id } = request.params
      const account = await readAccount(db, id)
      await record(db, { type: 'account.read', ...adminOrigin(request), subject: { kind: 'account', id } })
      return tagged(reply, viewOf(account))
    },
  )

  app.post(
    '/api/admin/accounts',
    {
      schema: {
        summary: 'Make an account',
        description:
          'With a first password, which its owner had better change; one of the role SERVICE has keys, and needs none.',
        tags,
        headers: IdempotencyKey,
        body: NewAccount,
        response: { 201: Account },
      },
      config: { access: WRITE, problems: { 409: ['email_taken'] } },
    },
    async (request, reply) => {
      const input = { ...request.body, role: roleOf(request.body.role), host }
      const passwordHash = await hashNewPassword(input)
      return create(request, reply, async (tx) => {
        const made = await insertAccount(tx, input, passwordHash, adminOrigin(request)).catch(taken)
        return { location: `/api/admin/accounts/${made.id}`, view: viewOf({ ...made, disabledAt: null }) }
      }).catch(async (error: unknown) => {
        // What was written down of it was taken back with the rest.
        if (error instanceof Conflict) {
          const refused = { outcome: 'failure', details: { reason: error.code } } as const
          await record(db, { type: 'account.create', ...adminOrigin(request), ...refused })
        }
        throw error
      })
    },
  )

  app.patch(
    '/api/admin/accounts/:id',
    {
      schema: {
        summary: 'Change an account',
        description:
          'Its name, its role, or whether it is disabled. While it is disabled all it ever got is refused. The last administrator cannot be disabled or given another role.',
        tags,
        params: AccountParams,
        headers: IfMatch,
        body: Change,
        response: { 200: Account },
      },
      config: { access: WRITE, problems: { 409: ['last_administrator'], 428: ['precondition_required'] } },
    },
    async (request, reply) => {
      const isAsRead = requireIfMatch(request)
      const { role, ...change } = request.body
      const changed = await changeAccount(
        db,
        request.params.id,
        { ...change, role: roleOf(role) },
        new Date(),
        adminOrigin(request),
        { expect: (before) => isAsRead(viewOf(before)), keepsAdministrator: true },
      )
      return tagged(reply, viewOf(changed))
    },
  )
}

function viewOf({ id, email, name, role, disabledAt, createdAt }: ListedAccount) {
  return { id, email, name, role: wireRole(role), disabled: disabledAt !== null, createdAt: createdAt.toISOString() }
}

const roleOf = (role: Uppercase<Role> | undefined) => role?.toLowerCase() as Role | undefined

/** An administrator, who can list accounts, may be told in so many words. */
function taken(error: unknown): never {
  if (!(error instanceof Conflict)) throw error
  throw new Conflict('email_taken', 'There is an account with this e-mail address.')
}
