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
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { bytes, createdAt, moment, transactionId } from './columns.ts'

/** Resource owners (RFC 6749 1.1). `emailKey` is the e-mail as it is compared; who signs in elsewhere may have no password. */
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
    passwordHash: text('password_hash'),
    disabledAt: moment('disabled_at'),
    createdAt: createdAt(),
  },
  (table) => [
    index('accounts_created_at').on(table.createdAt, table.id),
    index('accounts_role').on(table.role, table.createdAt, table.id),
  ],
)

/** First-party sessions: one row a sign-in, by password or at an upstream. `expiresAt` is absolute and never moves. */
export const firstPartySessions = pgTable(
  'first_party_sessions',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id, { onDelete: 'cascade' }),
    authenticatedAt: moment('authenticated_at').notNull(),
    upstreamIssuer: text('upstream_issuer'),
    expiresAt: moment('expires_at').notNull(),
    endedAt: moment('ended_at'),
    createdAt: createdAt(),
  },
  (table) => [
    index('first_party_sessions_account').on(table.accountId, table.authenticatedAt, table.id),
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

/** API keys; the key itself is only here as its SHA-256 digest. Pages have room for the counts to be updated in place. */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: uuid('id').primaryKey(),
    accountId: uuid('account_id')
      .notNull()
      .references(() => accounts.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    digest: bytes('digest').notNull(),
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
    index('api_keys_created_at').on(table.createdAt, table.id),
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
    /** What it may do on its own behalf; `admin` is an operator's to give, to a machine. */
    role: text('role', { enum: ['service', 'admin'] })
      .notNull()
      .default('service'),
    /** Registered by itself (RFC 7591), not by an operator: its name is a claim nobody checked. */
    dynamic: boolean('dynamic').notNull().default(false),
    /** Until when the document at its identifier, a URL, need not be fetched again. */
    documentFreshUntil: moment('document_fresh_until'),
    /** When a person last allowed it something, if it is dynamic. */
    usedAt: moment('used_at'),
    metadata: jsonb('metadata').$type<Record<string, unknown>>().notNull(),
    createdAt: createdAt(),
  },
  (table) => [
    index('clients_created_at').on(table.createdAt, table.id),
    index('clients_unused').on(sql`coalesce(${table.usedAt}, ${table.createdAt})`).where(sql`${table.dynamic}`),
  ],
)

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
    index('provider_models_grants').on(table.expiresAt, table.grantId).where(sql`${table.model} = 'Grant'`),
    index('provider_models_grants_account')
      .on(table.accountId, table.expiresAt, table.grantId)
      .where(sql`${table.model} = 'Grant'`),
    index('provider_models_grants_client')
      .on(table.clientId, table.expiresAt, table.grantId)
      .where(sql`${table.model} = 'Grant'`),
    index('provider_models_account').on(table.accountId, table.clientId).where(sql`${table.accountId} is not null`),
    index('provider_models_registration').on(table.clientId).where(sql`${table.model} = 'RegistrationAccessToken'`),
    index('provider_models_initial').on(table.expiresAt, table.id).where(sql`${table.model} = 'InitialAccessToken'`),
    index('provider_models_expires_at').on(table.expiresAt),
  ],
)

/** Access tokens that are self-contained and were revoked before their time, by `jti`. */
export const revokedTokens = pgTable(
  'revoked_tokens',
  { tokenId: text('token_id').primaryKey(), expiresAt: moment('expires_at').notNull() },
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
    /** Which transaction made it: whoever read before that was committed has not seen it. */
    transaction: transactionId('transaction').notNull().default(sql`pg_current_xact_id()`),
    /** Whether what depends on it has ended, also for those who cannot ask what is left of it. */
    ends: boolean('ends').notNull().default(true),
  },
  (table) => [index('changes_expires_at').on(table.expiresAt), index('changes_tag').on(table.tag)],
)

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
    index('audit_events_at').on(table.at, table.id),
    index('audit_events_type').on(table.type, table.at, table.id),
    index('audit_events_subject').on(table.subjectId, table.at, table.id).where(sql`${table.subjectId} is not null`),
    index('audit_events_client').on(table.clientId, table.at, table.id).where(sql`${table.clientId} is not null`),
    index('audit_events_unchained').on(table.id).where(sql`${table.seq} is null`),
    uniqueIndex('audit_events_place').on(table.day, table.seq).where(sql`${table.seq} is not null`),
  ],
)
