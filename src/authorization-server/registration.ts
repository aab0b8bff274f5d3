import { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider'
import { makeClientId } from '../clients/clients.ts'
import { InvalidRequest } from '../errors.ts'
import { requireWellFormedText } from '../http/well-formed.ts'
import { remoteUrlProblem } from './remote-documents.ts'

/**
 * Members of client metadata that are ours. The engine takes `scope` for OpenID scopes alone, so what
 * a client may ask for travels as `allowed_scope`.
 */
const OURS = ['first_party', 'dynamic', 'allowed_scope', 'access_token_format']

/** A key of a JWK Set is at the fifth level, and nothing is deeper. */
const MAX_DEPTH = 8

/**
 * Names a client that registers itself. It is the first that the engine asks of us after parsing the metadata,
 * before it walks through them, so here they are refused when they are not of a sane form.
 * @throws {errors.InvalidClientMetadata}
 */
export function nameRegistration({ oidc }: KoaContextWithOIDC): string {
  const metadata = oidc.body as Record<string, unknown>
  try {
    requireWellFormedText(metadata, MAX_DEPTH)
  } catch (error) {
    if (error instanceof InvalidRequest) throw new errors.InvalidClientMetadata(error.message)
    throw error
  }
  for (const member of ['jwks_uri', 'sector_identifier_uri']) {
    const uri = metadata[member]
    const problem = typeof uri === 'string' ? remoteUrlProblem(uri) : undefined
    if (problem !== undefined) throw new errors.InvalidClientMetadata(`${member} ${problem}`)
  }
  return makeClientId()
}

/** Keeps the members that are ours out of the hands of who registers, and moves `scope` to where we judge it. */
export const extraClientMetadata: NonNullable<Configuration['extraClientMetadata']> = {
  properties: OURS,
  validator(ctx, name, value, metadata) {
    if (ctx === undefined) return
    if (value !== undefined) throw new errors.InvalidClientMetadata(`${name} is not for a client to set`)
    if (name !== 'allowed_scope' || metadata.scope === undefined) return
    if (typeof metadata.scope !== 'string') throw new errors.InvalidClientMetadata('scope must be a string')
    metadata.allowed_scope = metadata.scope
    delete metadata.scope
  },
}

/** Answers a registration (RFC 7591 3.2.1) with the metadata that was asked for, not with how we keep it. */
export function presentRegistration(ctx: KoaContextWithOIDC): void {
  if (ctx.oidc.route !== 'registration' || ctx.status !== 201) return
  const { allowed_scope: scope, first_party: _, dynamic: __, ...metadata } = ctx.body as Record<string, unknown>
  ctx.body = { ...metadata, ...(scope === undefined ? {} : { scope }) }
}
