import { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider'

/**
 * Members of client metadata that are ours. The engine takes `scope` for OpenID scopes alone, so what
 * a client may ask for travels as `allowed_scope`.
 */
const OURS = ['first_party', 'dynamic', 'allowed_scope', 'access_token_format']

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
