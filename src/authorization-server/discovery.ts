import type { KoaContextWithOIDC } from 'oidc-provider'
import type { Config } from '../config.ts'
import type { PublishedResources } from '../resources/published.ts'
import { OPENID_SCOPES } from '../resources/scopes.ts'
import { statusListsUrl } from '../status-lists/place.ts'

type Metadata = Record<string, unknown>

const MAX_AGE = 300

/**
 * Completes the metadata of the authorization server (RFC 8414 2, RFC 9728 4) by what the engine does not say of
 * itself, and takes out what it says of every server.
 */
export async function completeDiscovery(
  ctx: KoaContextWithOIDC,
  { config, publishedResources }: { config: Config; publishedResources: () => Promise<PublishedResources> },
): Promise<void> {
  if (ctx.oidc.route !== 'discovery' || ctx.status !== 200) return
  const metadata = ctx.body as Metadata
  const { identifiers, scopes } = await publishedResources()
  const methods = metadata.token_endpoint_auth_methods_supported
  const algorithms = metadata.token_endpoint_auth_signing_alg_values_supported
  ctx.set('cache-control', `public, max-age=${MAX_AGE}`)
  ctx.body = {
    ...metadata,
    authorization_details_types_supported: namedIfAny(metadata.authorization_details_types_supported),
    backchannel_user_code_parameter_supported: false,
    claims_supported: claimsOf(metadata),
    scopes_supported: [...Object.keys(OPENID_SCOPES), ...scopes],
    protected_resources: identifiers,
    status_list_aggregation_endpoint: statusListsUrl(config.issuer),
    client_id_metadata_document_supported: config.clientIdMetadata !== 'off',
    service_documentation: `${config.issuer}/api/auth/comparison`,
    introspection_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_signing_alg_values_supported: algorithms,
    revocation_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_signing_alg_values_supported: algorithms,
  }
}

/** A list, which is left out when it is empty (RFC 8414 3.2). */
const namedIfAny = (list: unknown) => ((list as unknown[] | undefined)?.length ? list : undefined)

/** Only who is told of a sign-out is told which session an ID token is of (OpenID Connect Back-Channel Logout 2.1). */
function claimsOf({ claims_supported: claims, backchannel_logout_session_supported: named }: Metadata): string[] {
  return (claims as string[]).filter((claim) => claim !== 'sid' || named === true)
}
