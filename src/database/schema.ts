import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  date,
  index,
  integer,
  json,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 })
const createdAt = () => moment('created_at').notNull().defaultNow()

/** Resource owners (RFC 6749 1.1). `emailKey` is the e-mail as it is compared. */
export const accounts = pgTable(
  'accounts',
  {
    id: uuid('id').primaryKey(),
    email: text('email').notNull(),
    emailKey: text('email_key').notNull().unique(),
    name: text('name'),
    role: text('role', { enum: ['user', 'admin', 'service'] })
      .notNull()
      .default('user'),
    passwordHash: text('password_hash').notNull(),
    disabledAt: moment('disabled_at'),
    createdAt: createdAt(),
  },
  (table) => [index('accounts_created_at').on(table.createdAt, table.id)],
)

/** First-party sessions: one row a sign-in. `expiresAt` is absolute and never moves. */
export const firstPartySessions = pgTable(
  'first_party_sessions',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id, { onDelete: 'cascade' }),
    authenticatedAt: moment('authenticated_at').notNull(),
    expiresAt: moment('expires_at').notNull(),
    endedAt: moment('ended_at'),
    createdAt: createdAt(),
  },
  (table) => [
    index('first_party_sessions_account').on(table.accountId),
    index('first_party_sessions_expires_at').on(table.expiresAt),
  ],
)

/** The chain of refresh tokens of a first-party session; consumed ones stay, to tell a replay. */
export const firstPartyRefreshTokens = pgTable(
  'first_party_refresh_tokens',
  {
    digest: text('digest').primaryKey(),
    sessionId: uuid('session_id')
      .notNull()
      .references(() => firstPartySessions.id, { onDelete: 'cascade' }),
    expiresAt: moment('expires_at').notNull(),
    consumedAt: moment('consumed_at'),
  },
  (table) => [
    index('first_party_refresh_tokens_session').on(table.sessionId),
    index('first_party_refresh_tokens_expires_at').on(table.expiresAt),
  ],
)

/** API keys; the key itself is only here as its SHA-256 digest. */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    digest: text('digest').notNull(),
    prefix: text('prefix').notNull(),
    scope: text('scope').array().notNull(),
    expiresAt: moment('expires_at').notNull(),
    revokedAt: moment('revoked_at'),
    lastUsedAt: moment('last_used_at'),
    lastUsedFrom: text('last_used_from'),
    useCount: bigint('use_count', { mode: 'number' }).notNull().default(0),
    createdAt: createdAt(),
  },
  (table) => [
    uniqueIndex('api_keys_digest').on(table.digest),
    index('api_keys_account').on(table.accountId, table.createdAt),
  ],
)

/** OAuth clients. What the policy judges has a column; the rest of RFC 7591 is in `metadata`. */
export const clients = pgTable(
  'clients',
  {
    id: text('id').primaryKey(),
    name: text('name').notNull(),
    type: text('type', { enum: ['web', 'spa', 'native', 'machine'] }).notNull(),
    secretDigest: text('secret_digest'),
    redirectUris: text('redirect_uris').array().notNull(),
    scope: text('scope').array().notNull(),
    firstParty: boolean('first_party').notNull().default(false),
    /** Registered by itself (RFC 7591), not by an operator: its name is a claim nobody checked. */
    dynamic: boolean('dynamic').notNull().default(false),
    metadata: jsonb('metadata').$type<Record<string, unknown>>().notNull(),
    createdAt: createdAt(),
  },
  (table) => [index('clients_created_at').on(table.createdAt, table.id)],
)

/** Protected resources besides the built-in one (RFC 8707). `scopes` maps a scope to its sentence. */
export const resources = pgTable('resources', {
  identifier: text('identifier').primaryKey(),
  name: text('name').notNull(),
  scopes: jsonb('scopes').$type<Record<string, string>>().notNull(),
  format: text('format', { enum: ['jwt', 'opaque'] })
    .notNull()
    .default('jwt'),
  createdAt: createdAt(),
})

/** Signing keys; the private part is a JWE under SECRET_KEYS. One is next until it is activated, then current until retired. */
export const signingKeys = pgTable('signing_keys', {
  kid: text('kid').primaryKey(),
  purpose: text('purpose', { enum: ['authorization_server', 'first_party', 'audit'] }).notNull(),
  alg: text('alg', { enum: ['ES256', 'RS256'] }).notNull(),
  publicJwk: jsonb('public_jwk').$type<Record<string, unknown>>().notNull(),
  sealedPrivateJwk: text('sealed_private_jwk').notNull(),
  activatedAt: moment('activated_at'),
  retiredAt: moment('retired_at'),
  createdAt: createdAt(),
})

/**
 * The models of oidc-provider. `id` is the digest of the identifier, which is itself a bearer
 * value; every way the engine looks a row up has a column and an index.
 */
export const providerModels = pgTable(
  'provider_models',
  {
    model: text('model').notNull(),
    id: text('id').notNull(),
    payload: json('payload').$type<Record<string, unknown>>().notNull(),
    grantId: text('grant_id'),
    uid: text('uid'),
    userCode: text('user_code'),
    accountId: text('account_id'),
    clientId: text('client_id'),
    expiresAt: moment('expires_at'),
    consumedAt: moment('consumed_at'),
  },
  (table) => [
    primaryKey({ columns: [table.model, table.id] }),
    index('provider_models_grant').on(table.grantId).where(sql`${table.grantId} is not null`),
    uniqueIndex('provider_models_grant_itself').on(table.grantId).where(sql`${table.model} = 'Grant'`),
    uniqueIndex('provider_models_uid').on(table.model, table.uid).where(sql`${table.uid} is not null`),
    uniqueIndex('provider_models_user_code').on(table.model, table.userCode).where(sql`${table.userCode} is not null`),
    index('provider_models_account').on(table.accountId, table.clientId).where(sql`${table.accountId} is not null`),
    index('provider_models_expires_at').on(table.expiresAt),
  ],
)

/** Access tokens that are self-contained and were revoked before their time, by `jti`. */
export const revokedTokens = pgTable(
  'revoked_tokens',
  {
    tokenId: text('token_id').primaryKey(),
    expiresAt: moment('expires_at').notNull(),
  },
  (table) => [index('revoked_tokens_expires_at').on(table.expiresAt)],
)

/**
 * What credentials depend on and has changed: revoked, ended, disabled, another role. Kept until every
 * self-contained token from before has expired, so that a process that starts or was cut off catches up.
 */
export const changes = pgTable(
  'changes',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    tag: text('tag').notNull(),
    at: moment('at').notNull(),
    expiresAt: moment('expires_at').notNull(),
  },
  (table) => [index('changes_expires_at').on(table.expiresAt), index('changes_tag').on(table.tag)],
)

/** One-time links, by digest. */
export const oneTimeLinks = pgTable('one_time_links', {
  digest: text('digest').primaryKey(),
  purpose: text('purpose', { enum: ['first_administrator'] }).notNull(),
  expiresAt: moment('expires_at').notNull(),
  consumedAt: moment('consumed_at'),
})

/**
 * What happened, append only: who, through which credential, from where, and how it ended. `actor` is who did it
 * where that is not the subject. `day`, `seq` and `hash` are its place in the chain, set once by the notary.
 */
export const auditEvents = pgTable(
  'audit_events',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    at: moment('at').notNull().defaultNow(),
    type: text('type').notNull(),
    outcome: text('outcome', { enum: ['success', 'failure'] }).notNull(),
    actorKind: text('actor_kind'),
    actorId: text('actor_id'),
    subjectKind: text('subject_kind'),
    subjectId: text('subject_id'),
    clientId: text('client_id'),
    credentialKind: text('credential_kind'),
    credentialId: text('credential_id'),
    from: text('from_address'),
    details: jsonb('details').$type<Record<string, unknown>>(),
    day: date('day', { mode: 'string' }),
    seq: integer('seq'),
    hash: text('hash'),
  },
  (table) => [
    index('audit_events_unchained').on(table.id).where(sql`${table.seq} is null`),
    uniqueIndex('audit_events_place').on(table.day, table.seq).where(sql`${table.seq} is not null`),
  ],
)

/**
 * The signed heads of the chain, one for each run of events that was linked at once. Nothing is linked to the same
 * hash twice: the primary key is what keeps two processes from making the chain fork.
 */
export const auditCheckpoints = pgTable(
  'audit_checkpoints',
  {
    before: text('before').primaryKey(),
    day: date('day', { mode: 'string' }).notNull(),
    first: integer('first').notNull(),
    jws: text('jws').notNull(),
  },
  (table) => [uniqueIndex('audit_checkpoints_place').on(table.day, table.first)],
)
