import type { Grant, Interaction, Provider } from 'oidc-provider'
import type { Account } from '../../accounts/accounts.ts'
import type { Origin } from '../../audit/audit.ts'
import type { Client } from '../../clients/clients.ts'
import { isDocumentUrl } from '../../clients/metadata-documents.ts'
import { redirectHost } from '../../clients/redirect-uris.ts'
import type { DetailsTypes } from '../../resources/details-types.ts'
import { findResource } from '../../resources/resources.ts'
import { narrowToRole, OPENID_SCOPES, splitScope } from '../../resources/scopes.ts'
import { askedDetails, type Detail } from '../authorization-details.ts'
import { claimInteraction } from '../claim-interaction.ts'
import { GRANT_LIFETIME } from '../lifetimes.ts'
import { saveGrant } from '../save-grant.ts'
import type { UnitOfWork } from '../unit-of-work.ts'

export interface Asked {
  readonly openid: readonly string[]
  /** By resource: the scopes asked for that the account may give, and those it may not. */
  readonly resources: readonly { identifier: string; granted: string[]; refused: string[] }[]
  readonly permissions: readonly { scope: string; sentence: string }[]
  readonly details: readonly { detail: Detail; sentence: string }[]
}

/** What a request asks the person for, as far as the person may give it. */
export async function askedFor(
  { params }: Pick<Interaction, 'params'>,
  account: Account,
  { work, issuer, detailsTypes }: { work: UnitOfWork; issuer: string; detailsTypes: DetailsTypes },
): Promise<Asked> {
  const asked = splitScope(params.scope as string | undefined)
  const openid = asked.filter((scope) => scope in OPENID_SCOPES)
  const permissions = openid.map((scope) => ({ scope, sentence: OPENID_SCOPES[scope] ?? scope }))

  const identifiers = [params.resource].flat().filter((identifier) => typeof identifier === 'string')
  const resources = []
  for (const identifier of identifiers) {
    const scopes = (await findResource(work.db, issuer, identifier))?.scopes ?? {}
    const known = asked.filter((scope) => scope in scopes)
    const allowed = narrowToRole(known, account.role)
    const granted = known.filter((scope) => allowed.has(scope))
    resources.push({ identifier, granted, refused: known.filter((scope) => !allowed.has(scope)) })
    permissions.push(...granted.map((scope) => ({ scope, sentence: scopes[scope] ?? scope })))
  }
  const details = askedDetails(params.authorization_details).map((detail) => ({
    detail,
    sentence: detailsTypes.find(detail.type)?.sentence ?? detail.type,
  }))
  return { openid, resources, permissions, details }
}

/**
 * Stores what the person allowed as a new grant, and returns its identifier.
 * @throws {errors.SessionNotFound} when the same question was answered before, also a moment ago
 */
export async function grantConsent(
  { provider, work }: { provider: Provider; work: UnitOfWork },
  { uid, params, prompt }: Interaction,
  account: Account,
  asked: Asked,
  origin: Origin,
): Promise<string> {
  const grant = makeGrant(provider, account, String(params.client_id), asked)
  const { missingOIDCClaims } = prompt.details as { missingOIDCClaims?: string[] }
  if (missingOIDCClaims !== undefined) grant.addOIDCClaims(missingOIDCClaims)
  return saveGrant(grant, work, origin, (db) => claimInteraction(db, uid))
}

/** A grant to a client of what was asked for, not stored yet. */
export function makeGrant(provider: Provider, { id }: Account, clientId: string, asked: Asked): Grant {
  const grant = new provider.Grant({ accountId: id, clientId })
  if (asked.openid.length > 0) grant.addOIDCScope(asked.openid.join(' '))
  for (const { identifier, granted, refused } of asked.resources) {
    if (granted.length > 0) grant.addResourceScope(identifier, granted.join(' '))
    if (refused.length > 0) grant.rejectResourceScope(identifier, refused.join(' '))
  }
  for (const { detail } of asked.details) grant.addRar(detail as never)
  return grant
}

/** When what is allowed now ends, as people read it. */
export function lastsUntil(now: Date): string {
  const until = new Date(now.getTime() + GRANT_LIFETIME * 1000)
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(until)
}

/** What the consent page shows. */
export function consentView(interaction: Interaction, client: Client, account: Account, asked: Asked, now: Date) {
  const redirectUri = String(interaction.params.redirect_uri)
  return {
    action: `/interaction/${interaction.uid}/consent`,
    abortAction: `/interaction/${interaction.uid}/abort`,
    client: {
      name: client.name,
      host: isDocumentUrl(client.id) ? new URL(client.id).host : redirectHost(redirectUri),
      verified: !client.dynamic,
      isDescribedAt: isDocumentUrl(client.id) ? client.id : undefined,
    },
    account: { email: account.email, name: account.name },
    permissions: asked.permissions,
    details: detailsView(asked),
    offline: asked.openid.includes('offline_access'),
    lastsUntil: lastsUntil(now),
    signOutHref: '/oauth/logout',
    redirectHost: redirectHost(redirectUri),
  }
}

/** Authorization details as people are asked about them. */
export function detailsView({ details }: Asked) {
  return details.map(({ detail, sentence }) => ({ type: detail.type, sentence, fields: fieldsOf(detail) }))
}

/** What authorization details say, field by field, those within others too: nothing of what is granted is hidden. */
function fieldsOf({ type: _, ...fields }: Detail): { name: string; value: string }[] {
  return Object.entries(fields).flatMap(([name, value]) => leavesOf(name, value))
}

function leavesOf(name: string, value: unknown): { name: string; value: string }[] {
  if (typeof value === 'string') return [{ name, value }]
  const isList = Array.isArray(value) && value.every((item) => typeof item === 'string')
  if (isList) return [{ name, value: value.join(', ') }]
  const within = value instanceof Object ? Object.entries(value) : []
  if (within.length === 0) return [{ name, value: JSON.stringify(value) }]
  return within.flatMap(([key, inner]) => leavesOf(`${name} › ${key}`, inner))
}
