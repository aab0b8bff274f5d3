import type { AdapterPayload } from 'oidc-provider'

/**
 * A payload as it is kept. The identifier of a model is its bearer value, so it is taken out wherever
 * it stands: `jti`, the end of an interaction's `returnTo`, and the session cookie an interaction repeats.
 */
export function toStored(id: string, payload: AdapterPayload): Record<string, unknown> {
  const { jti: _, ...stored } = payload
  if (typeof stored.returnTo === 'string' && stored.returnTo.endsWith(id)) {
    stored.returnTo = stored.returnTo.slice(0, -id.length)
  }
  if (stored.session !== undefined) {
    const { cookie: _cookie, ...session } = stored.session as Record<string, unknown>
    stored.session = session as never
  }
  return stored
}

/** The payload as the engine knows it, with the identifier put back. */
export function fromStored(id: string | undefined, stored: Record<string, unknown>): AdapterPayload {
  if (id === undefined) return stored
  const payload: AdapterPayload = { ...stored, jti: id }
  if (typeof stored.returnTo === 'string') payload.returnTo = stored.returnTo + id
  return payload
}
