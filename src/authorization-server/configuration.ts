import type { AccessToken, ClientCredentials, Configuration } from 'oidc-provider'
import { DPOP_ALGS } from '../credentials/dpop-proof.ts'
import { ASSERTION_ALGS } from '../keys/public-jwk.ts'
import { OPENID_SCOPES } from '../resources/scopes.ts'
import { DPOP_NONCES } from '../secrets/nonces.ts'
import { makeOpaqueToken } from '../secrets/opaque-token.ts'
import { createAccountFinder } from './account.ts'
import { createModelAdapter } from './adapter.ts'
import { ACR_VALUES, authenticationOf } from './authentication-context.ts'
import { createRichAuthorizationRequests } from './authorization-details.ts'
import { createClientAdapter } from './client-adapter.ts'
import { certificateMethods, createMutualTls } from './client-certificates.ts'
import type { AuthorizationServerDependencies } from './dependencies.ts'
import { profileOf } from './fapi.ts'
import { createGrantAdapter } from './grant-adapter.ts'
import { createInteractionPolicy } from './interactions/policy.ts'
import { createIntrospectionPolicy, mayRevoke } from './introspection-policy.ts'
import { lifetimes } from './lifetimes.ts'
import { createGrantLoader } from './load-grant.ts'
import { renderEngineError, renderSignedOut, renderSignOut } from './pages.ts'
import { createPushedRequestAdapter } from './pushed-requests.ts'
import type { RefreshRetries } from './refresh-retries.ts'
import { extraClientMetadata, nameRegistration } from './registration.ts'
import { createRemoteFetch } from './remote-documents.ts'
import { createBackchannelAuthentication } from './requests/backchannel.ts'
import { createBackchannelAdapter } from './requests/backchannel-adapter.ts'
import { createRequestAdapter } from './requests/request-adapter.ts'
import { createResourceIndicators } from './resource-indicators.ts'
import { createInteractionAdapter, createSessionAdapter } from './session-adapter.ts'
import { findSignedIn } from './sign-out.ts'
import { requireClientAssertion, requireRequestObject } from './signed-tokens.ts'
import { createTokenStatus } from './token-status.ts'
import { openidScopeOf } from './userinfo.ts'

/** The configuration of the engine: each choice that is not its default stands here. */
export function createConfiguration(
  dependencies: AuthorizationServerDependencies,
  retries: RefreshRetries,
): Configuration {
  const { config, work, keys, sealer } = dependencies
  const secure = config.issuer.startsWith('https:')
  const prefix = secure ? '__Host-' : ''
  const cookie = { httpOnly: true, sameSite: 'lax', secure, signed: true } as const
  const backchannel = createBackchannelAuthentication(dependencies)
  const clientAdapter = createClientAdapter(dependencies)
  const statusOf = createTokenStatus(dependencies)

  return {
    adapter(model) {
      if (model === 'Client') return clientAdapter
      if (model === 'Grant') return createGrantAdapter(dependencies)
      if (model === 'DeviceCode') return createRequestAdapter(model, work, dependencies.userCodes)
      if (model === 'BackchannelAuthenticationRequest') return createBackchannelAdapter(dependencies)
      if (model === 'Session') return createSessionAdapter(work)
      if (model === 'RefreshToken') return createModelAdapter(model, work, retries)
      if (model === 'PushedAuthorizationRequest') return createPushedRequestAdapter(work)
      return model === 'Interaction' ? createInteractionAdapter(work) : createModelAdapter(model, work)
    },
    jwks: { keys: keys.privateJwks('authorization_server') as never },
    responseTypes: ['code'],
    scopes: Object.keys(OPENID_SCOPES),
    acrValues: ACR_VALUES,
    claims: { openid: ['sub', 'acr', 'amr', 'auth_time'], profile: ['name'], email: ['email', 'email_verified'] },
    subjectTypes: ['public'],
    pkce: { required: () => true },
    clientAuthMethods: [
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      'none',
      ...certificateMethods(config),
    ],
    clientDefaults: { id_token_signed_response_alg: 'RS256' },
    enabledJWA: {
      idTokenSigningAlgValues: ['RS256', 'ES256'],
      introspectionSigningAlgValues: ['RS256', 'ES256'],
      authorizationSigningAlgValues: ['RS256', 'ES256'],
      requestObjectSigningAlgValues: [...ASSERTION_ALGS],
      dPoPSigningAlgValues: DPOP_ALGS as ('ES256' | 'Ed25519' | 'EdDSA')[],
      clientAuthSigningAlgValues: [...ASSERTION_ALGS],
    },
    assertJwtClientAuthClaimsAndHeader: requireClientAssertion,
    extraClientMetadata,
    cookies: {
      names: { session: `${prefix}gatehouse_sso`, interaction: 'gatehouse_interaction', resume: 'gatehouse_resume' },
      keys: sealer.derive('cookies').map((key) => Buffer.from(key).toString('base64url')),
      long: { ...cookie, path: '/' },
      short: cookie,
    },
    routes: {
      authorization: '/oauth/authorize',
      pushed_authorization_request: '/oauth/par',
      device_authorization: '/oauth/device',
      code_verification: '/device',
      backchannel_authentication: '/oauth/backchannel',
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
      fapi: { enabled: true, profile: (_ctx, client) => profileOf(client) },
      dPoP: {
        enabled: true,
        nonceSecret: Buffer.from(sealer.derive(DPOP_NONCES)[0] as Uint8Array),
        requireNonce: () => config.dpopNonce === 'required',
      },
      mTLS: createMutualTls(dependencies),
      pushedAuthorizationRequests: { enabled: true },
      requestObjects: { enabled: true, assertJwtClaimsAndHeader: requireRequestObject },
      jwtResponseModes: { enabled: true },
      clientCredentials: { enabled: true },
      backchannelLogout: { enabled: true },
      ciba: backchannel.ciba,
      deviceFlow: { enabled: true, charset: 'base-20', mask: '****-****' },
      introspection: { enabled: true, allowedPolicy: createIntrospectionPolicy(work) },
      jwtIntrospection: { enabled: true },
      revocation: { enabled: true, allowedPolicy: mayRevoke },
      registration: {
        enabled: config.clientRegistration !== 'off',
        initialAccessToken: config.clientRegistration === 'token',
        issueRegistrationAccessToken: true,
        idFactory: nameRegistration,
        secretFactory: makeOpaqueToken,
      },
      registrationManagement: { enabled: config.clientRegistration !== 'off', rotateRegistrationAccessToken: true },
      resourceIndicators: createResourceIndicators(config.issuer, dependencies),
      richAuthorizationRequests: createRichAuthorizationRequests(dependencies.detailsTypes),
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
    findAccount: backchannel.finder(createAccountFinder(work)),
    loadExistingGrant: createGrantLoader(work),
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    extraTokenClaims: async (ctx, token) => ({
      ...('grantId' in token
        ? {
            grant_id: token.grantId,
            role: ctx.oidc.entities.Account?.role,
            ...authenticationOf(ctx),
            ...openidScopeOf(ctx, token, config.issuer),
          }
        : { ...roleOfMachine(token), ...token.extra }),
      ...(await statusOf(token)),
    }),
    clientBasedCORS: (_ctx, origin, client) =>
      origin !== 'null' && (client.redirectUris ?? []).some((uri) => URL.parse(uri)?.origin === origin),
    renderError: renderEngineError,
  }
}

/** The role of a machine client, where it is more than any has. */
function roleOfMachine({ kind, client }: AccessToken | ClientCredentials): { role?: 'admin' } {
  return kind === 'ClientCredentials' && client?.client_role === 'admin' ? { role: 'admin' } : {}
}
