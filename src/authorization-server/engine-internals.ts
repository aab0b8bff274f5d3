import type { X509Certificate } from 'node:crypto'
import { type Client, type KoaContextWithOIDC, Provider, type TokenEndpointGrantContext } from 'oidc-provider'
import { checkDpopReplay, checkDpopRequired, checkMtlsCert, validateDpop } from 'oidc-provider/lib/helpers/grants.js'
import { thumbprint } from '../secrets/certificates.ts'

/*
 * All that is taken of the engine beyond its documented interface. An upgrade may change any of it without saying so;
 * test/authorization-server/engine-internals.ts fails when one does.
 */

/** What the engine asks a client about itself; shared by all clients of a provider. */
export interface ClientMethods {
  readonly clientId: string
  /** The digest of its secret, as our adapter gives it. */
  readonly clientSecret: string
  compareClientSecret(presented: string): boolean | Promise<boolean>
  grantTypeAllowed(type: string): boolean
  /** Called for each client of a session that ends, when it has a back-channel logout URI. */
  backchannelLogout(accountId: string, sid: string | undefined): Promise<void>
}

type FindClient = Provider['Client']['find']
type AccessToken = InstanceType<Provider['AccessToken']>
type FindAccessToken = (value: string, options?: object) => Promise<AccessToken | undefined>
type ValidateIdToken = (jwt: string, client: unknown) => Promise<unknown>

/** The methods of the clients of a provider, to be replaced. */
export function clientMethodsOf(provider: Provider): ClientMethods {
  return provider.Client.prototype as unknown as ClientMethods
}

/** Puts something before the way in which a provider finds its clients. */
export function wrapFindClient(provider: Provider, wrap: (find: FindClient) => FindClient): void {
  provider.Client.find = wrap(provider.Client.find.bind(provider.Client))
}

/** Puts something before the way in which a provider finds the access tokens that were presented to it. */
export function wrapFindAccessToken({ AccessToken }: Provider, wrap: (find: FindAccessToken) => FindAccessToken): void {
  const model = AccessToken as unknown as { find: FindAccessToken }
  model.find = wrap(model.find.bind(model))
}

/** The route of the request under way, as the engine names it; undefined outside of one. */
export function routeUnderWay(): string | undefined {
  return Provider.ctx?.oidc.route
}

/** Has the body of the request under way, whose route is known, be another than the engine parses. */
export function mapBody(map: (body: unknown) => unknown): void {
  const oidc: { body?: unknown } = Provider.ctx?.oidc ?? {}
  let { body } = oidc
  Object.defineProperty(oidc, 'body', {
    configurable: true,
    get: () => body,
    set(parsed: unknown) {
      body = map(parsed)
    },
  })
}

/** Has the request under way not look for its client again, to tell it of the error that looking for it was. */
export function lookForNoClient(): void {
  Object.assign(Provider.ctx?.oidc ?? {}, { noclient: true })
}

/** Puts something before the way in which a provider validates an ID token that is presented as a hint. */
export function wrapValidateIdToken({ IdToken }: Provider, wrap: (validate: ValidateIdToken) => ValidateIdToken): void {
  const model = IdToken as unknown as { validate: ValidateIdToken }
  model.validate = wrap(model.validate.bind(model))
}

interface LogoutToken {
  mask: object
  set(claim: string, value: unknown): void
  issue(options: { use: 'logout' }): Promise<string>
}

/** A logout token (OpenID Connect Back-Channel Logout 1.0 2.4), good for two minutes, in the algorithm of the client's ID tokens. */
export function signLogoutToken(
  { IdToken }: Provider,
  client: Client,
  { sub, sid, jti }: { sub: string; sid: string | null; jti: string },
): Promise<string> {
  const Token = IdToken as unknown as new (claims: object, context: object) => LogoutToken
  const token = new Token({ sub }, { client, ctx: undefined })
  token.mask = { sub: null }
  token.set('events', { 'http://schemas.openid.net/event/backchannel-logout': {} })
  token.set('jti', jti)
  if (client.backchannelLogoutSessionRequired === true && sid !== null) token.set('sid', sid)
  return token.issue({ use: 'logout' })
}

/** Has a provider name the refresh tokens it makes. */
export function nameRefreshTokens({ RefreshToken }: Provider, makeToken: () => string): void {
  Object.assign(RefreshToken.prototype, { generateTokenId: makeToken })
}

/** The refresh token that the token request under way consumes and replaces. */
export function rotatedRefreshToken(): string | undefined {
  return Provider.ctx?.oidc.entities.RotatedRefreshToken?.jti
}

/** Has a provider ask this whether what has a `jti` comes for the first time; `exp` in seconds since the epoch. */
export function replaceReplayDetection(
  { ReplayDetection }: Provider,
  unique: (iss: string, jti: string, exp: number) => Promise<boolean>,
): void {
  Object.assign(ReplayDetection, { unique })
}

/** A token that can be bound. */
interface Bindable {
  setThumbprint(by: 'jkt' | 'x5t', value: unknown): void
}

/**
 * What whoever makes a token request proves to hold, by DPoP (RFC 9449 5) or a certificate (RFC 8705 3), checked as the
 * engine's own grant types do; a client that is to have bound tokens alone must prove something.
 */
export async function provenHolder(ctx: TokenEndpointGrantContext) {
  const { provider, client } = ctx.oidc
  const proof = await validateDpop(provider, ctx)
  checkDpopRequired(provider, ctx, proof)
  const certificate = checkMtlsCert(provider, ctx)
  await checkDpopReplay(provider, ctx, proof, client.clientId)
  return {
    jkt: proof?.thumbprint,
    x5t: certificate && thumbprint(certificate as X509Certificate),
    /** Binds a token to it; to nothing, when nothing was proven. */
    bind(token: Bindable): void {
      if (certificate !== undefined) token.setThumbprint('x5t', certificate)
      if (proof !== undefined) token.setThumbprint('jkt', proof.thumbprint)
    },
  }
}

/** What the engine's form for signing out must send back, which no other site knows. */
export function signOutSecretOf({ oidc }: KoaContextWithOIDC): string {
  return (oidc.session as unknown as { state: { secret: string } }).state.secret
}
