import type { Configuration } from 'oidc-provider'
import { OPENID_SCOPES } from '../resources/scopes.ts'
import { makeOpaqueToken } from '../secrets/opaque-token.ts'
import { createAccountFinder } from './account.ts'
import { createModelAdapter } from './adapter.ts'
import { createClientAdapter } from './client-adapter.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'
import { createInteractionPolicy } from './interactions/policy.ts'
import { createIntrospectionPolicy, mayRevoke } from './introspection-policy.ts'
import { lifetimes } from './lifetimes.ts'
import { createGrantLoader } from './load-grant.ts'
import { renderEngineError, renderSignedOut, renderSignOut } from './pages.ts'
import type { RefreshRetries } from './refresh-retries.ts'
import { extraClientMetadata, nameRegistration } from './registration.ts'
import { createRemoteFetch } from './remote-documents.ts'
import { createResourceIndicators } from './resource-indicators.ts'
import { createInteractionAdapter, createSessionAdapter } from './session-adapter.ts'
import { findSignedIn } from './sign-out.ts'

/** The configuration of the engine: each choice that is not its default stands here. */
export function createConfiguration(
  dependencies: AuthorizationServerDependencies,
  retries: RefreshRetries,
): Configuration {
  const { config, work, keys, sealer } = dependencies
  const secure = config.issuer.startsWith('https:')
  const prefix = secure ? '__Host-' : ''
  const cookie = { httpOnly: true, sameSite: 'lax', secure, signed: true } as const
  const clientAdapter = createClientAdapter(work, dependencies.clients)

  return {
    adapter(model) {
      if (model === 'Client') return clientAdapter
      if (model === 'Session') return createSessionAdapter(work)
      if (model === 'RefreshToken') return createModelAdapter(model, work, retries)
      return model === 'Interaction' ? createInteractionAdapter(work) : createModelAdapter(model, work)
    },
    jwks: { keys: keys.privateJwks('authorization_server') as never },
    responseTypes: ['code'],
    scopes: Object.keys(OPENID_SCOPES),
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
    subjectTypes: ['public'],
    pkce: { required: () => true },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    clientDefaults: { id_token_signed_response_alg: 'RS256' },
    enabledJWA: {
      idTokenSigningAlgValues: ['RS256', 'ES256'],
      clientAuthSigningAlgValues: ['ES256', 'PS256', 'RS256', 'Ed25519', 'EdDSA'],
    },
    extraClientMetadata,
    cookies: {
      names: { session: `${prefix}gatehouse_sso`, interaction: 'gatehouse_interaction', resume: 'gatehouse_resume' },
      keys: sealer.derive('cookies').map((key) => Buffer.from(key).toString('base64url')),
      long: { ...cookie, path: '/' },
      short: cookie,
    },
    routes: {
      authorization: '/oauth/authorize',
      token: '/oauth/token',
      introspection: '/oauth/introspect',
      revocation: '/oauth/revoke',
      userinfo: '/oauth/userinfo',
      jwks: '/oauth/jwks',
      registration: '/oauth/register',
      end_session: '/oauth/logout',
    },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: createIntrospectionPolicy(work) },
      revocation: { enabled: true, allowedPolicy: mayRevoke },
      registration: {
        enabled: config.clientRegistration !== 'off',
        initialAccessToken: config.clientRegistration === 'token',
        issueRegistrationAccessToken: false,
        idFactory: nameRegistration,
        secretFactory: makeOpaqueToken,
      },
      resourceIndicators: createResourceIndicators(config.issuer, work, dependencies.resources),
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: renderSignOut,
        postLogoutSuccessSource: async (ctx) =>
          renderSignedOut(ctx, (await findSignedIn(ctx, dependencies)) !== undefined),
      },
    },
    ttl: lifetimes,
    interactions: {
      url: (_ctx, interaction) => `/interaction/${interaction.uid}`,
      policy: createInteractionPolicy(dependencies),
    },
    fetch: createRemoteFetch(),
    findAccount: createAccountFinder(work),
    loadExistingGrant: createGrantLoader(work),
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    extraTokenClaims: async (ctx, token) =>
      'grantId' in token ? { grant_id: token.grantId, role: ctx.oidc.entities.Account?.role } : undefined,
    clientBasedCORS: (_ctx, origin, client) =>
      origin !== 'null' && (client.redirectUris ?? []).some((uri) => URL.parse(uri)?.origin === origin),
    renderError: renderEngineError,
  }
}
