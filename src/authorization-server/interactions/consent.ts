import type { Grant, Interaction, Provider } from 'oidc-provider'
import type { Account } from '../../accounts/accounts.ts'
import type { Origin } from '../../audit/audit.ts'
import type { Client } from '../../clients/clients.ts'
import { redirectHost } from '../../clients/redirect-uris.ts'
import { findResource } from '../../resources/resources.ts'
import { narrowToRole, OPENID_SCOPES, splitScope } from '../../resources/scopes.ts'
import { claimInteraction } from '../claim-interaction.ts'
import { GRANT_LIFETIME } from '../lifetimes.ts'
import { saveGrant } from '../save-grant.ts'
import type { UnitOfWork } from '../unit-of-work.ts'

interface Asked {
  readonly openid: readonly string[]
  /** By resource: the scopes asked for that the account may give, and those it may not. */
  readonly resources: readonly { identifier: string; granted: string[]; refused: string[] }[]
  readonly permissions: readonly { scope: string; sentence: string }[]
}

/** What an interaction asks the person for, as far as the person may give it. */
export async function askedFor(
  { params }: Interaction,
  account: Account,
  { work, issuer }: { work: UnitOfWork; issuer: string },
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
  return { openid, resources, permissions }
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
  const grant: Grant = new provider.Grant({ accountId: account.id, clientId: String(params.client_id) })
  if (asked.openid.length > 0) grant.addOIDCScope(asked.openid.join(' '))
  for (const { identifier, granted, refused } of asked.resources) {
    if (granted.length > 0) grant.addResourceScope(identifier, granted.join(' '))
    if (refused.length > 0) grant.rejectResourceScope(identifier, refused.join(' '))
  }
  const { missingOIDCClaims } = prompt.details as { missingOIDCClaims?: string[] }
  if (missingOIDCClaims !== undefined) grant.addOIDCClaims(missingOIDCClaims)
  return saveGrant(grant, work, origin, (db) => claimInteraction(db, uid))
}

/** What the consent page shows. */
export function consentView(interaction: Interaction, client: Client, account: Account, asked: Asked, now: Date) {
  const redirectUri = String(interaction.params.redirect_uri)
  const until = new Date(now.getTime() + GRANT_LIFETIME * 1000)
  return {
    action: `/interaction/${interaction.uid}/consent`,
    abortAction: `/interaction/${interaction.uid}/abort`,
    client: { name: client.name, host: redirectHost(redirectUri), verified: !client.dynamic },
    account: { email: account.email, name: account.name },
    permissions: asked.permissions,
    offline: asked.openid.includes('offline_access'),
    lastsUntil: new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(until),
    signOutHref: '/oauth/logout',
    redirectHost: redirectHost(redirectUri),
  }
}
