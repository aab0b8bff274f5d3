import { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider'
import { findClient, makeClientId } from '../clients/clients.ts'
import { OURS, toMetadata } from '../clients/metadata.ts'
import { InvalidRequest } from '../errors.ts'
import { requireWellFormedText } from '../http/well-formed.ts'
import { weakKeyProblem } from '../keys/public-jwk.ts'
import { remoteUrlProblem } from './remote-documents.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/** A key of a JWK Set is at the fifth level, and nothing is deeper. */
const MAX_DEPTH = 8

/**
 * Names a client that registers itself. It is the first that the engine asks of us after parsing the metadata,
 * before it walks through them, so here they are refused when they are not of a sane form.
 * @throws {errors.InvalidClientMetadata}
 */
export function nameRegistration({ oidc }: KoaContextWithOIDC): string {
  requireSoundMetadata(oidc.body as Record<string, unknown>)
  refuseSoftwareStatement(oidc.body as Record<string, unknown>)
  return makeClientId()
}

/**
 * Nobody is trusted here to vouch for software (RFC 7591 3.2.2).
 * @throws {errors.UnapprovedSoftwareStatement | errors.InvalidSoftwareStatement}
 */
function refuseSoftwareStatement({ software_statement: statement }: Record<string, unknown>): void {
  if (statement === undefined) return
  const isJwt = typeof statement === 'string' && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(statement)
  if (isJwt) throw new errors.UnapprovedSoftwareStatement('no issuer of software statements is trusted here')
  throw new errors.InvalidSoftwareStatement('the software statement is no JWT')
}

/**
 * What any stranger's metadata are held to before anybody walks through them or follows their URLs.
 * @throws {errors.InvalidClientMetadata}
 */
export function requireSoundMetadata(metadata: Record<string, unknown>): void {
  try {
    requireWellFormedText(metadata, MAX_DEPTH)
  } catch (error) {
    if (error instanceof InvalidRequest) throw new errors.InvalidClientMetadata(error.message)
    throw error
  }
  for (const member of ['jwks_uri', 'sector_identifier_uri', 'backchannel_logout_uri']) {
    const uri = metadata[member]
    const problem = typeof uri === 'string' ? remoteUrlProblem(uri) : undefined
    if (problem !== undefined) throw new errors.InvalidClientMetadata(`${member} ${problem}`)
  }
  const problem = weakKeyProblem(metadata.jwks)
  if (problem !== undefined) throw new errors.InvalidClientMetadata(`jwks holds a key that ${problem}`)
}

/** Keeps the members that are ours out of the hands of who registers, and moves `scope` to where we judge it. */
export const extraClientMetadata: NonNullable<Configuration['extraClientMetadata']> = {
  properties: OURS,
  validator(ctx, name, value, metadata) {
    if (ctx === undefined) return
    if (name === OURS[0] && ctx.oidc.route === 'client_update') {
      requireSoundMetadata(ctx.oidc.body as Record<string, unknown>)
      refuseSoftwareStatement(ctx.oidc.body as Record<string, unknown>)
    }
    if (value !== undefined) throw new errors.InvalidClientMetadata(`${name} is not for a client to set`)
    if (name !== 'allowed_scope' || metadata.scope === undefined) return
    if (typeof metadata.scope !== 'string') throw new errors.InvalidClientMetadata('scope must be a string')
    metadata.allowed_scope = metadata.scope
    delete metadata.scope
  },
}

const OF_CLIENTS = new Set(['registration', 'client', 'client_update'])

/**
 * Answers a registration (RFC 7591 3.2.1, RFC 7592 3) with all that is registered, also what the client left to us, as a
 * client knows it, not as we keep it. A secret is told when it is made; of an older one there is only a digest, which is
 * nobody's to know.
 */
export async function presentRegistration(ctx: KoaContextWithOIDC, work: UnitOfWork): Promise<void> {
  const { route, client } = ctx.oidc
  if (!OF_CLIENTS.has(route) || ctx.status >= 300) return
  const answer = ctx.body as Record<string, unknown>
  const row = await findClient(work.db, String(answer.client_id))
  const kept = row && { ...toMetadata(row), scope: row.scope.join(' ') }
  const registered: Record<string, unknown> = { ...answer, ...kept, client_secret: answer.client_secret }
  const isTold = route === 'registration' || answer.client_secret !== client?.clientSecret
  for (const name of isTold ? OURS : [...OURS, 'client_secret', 'client_secret_expires_at']) delete registered[name]
  ctx.body = registered
}
