import { Provider, type TokenEndpointGrantContext } from 'oidc-provider'

type Handler<Params extends object> = (ctx: TokenEndpointGrantContext<Params>) => void | Promise<void>
type Names = string | readonly string[] | ReadonlySet<string>

/**
 * The engine, except that a token request need not repeat the redirect URI of its code, which PKCE binds
 * to whoever asked for it already (OAuth 2.1 10.2). One that is sent is compared all the same.
 */
export class OAuth21Provider extends Provider {
  override registerGrantType<Params extends object>(
    name: string,
    handler: Handler<Params>,
    params?: Names,
    duplicates?: Names,
  ): void {
    const lenient: Handler<Params> = async (ctx) => {
      const sent = ctx.oidc.params as { code?: string; redirect_uri?: string }
      if (sent.code !== undefined && sent.redirect_uri === undefined) {
        const code = await this.AuthorizationCode.find(sent.code, { ignoreExpiration: true })
        sent.redirect_uri = code?.redirectUri ?? ctx.oidc.client.redirectUris?.[0]
      }
      await handler(ctx)
    }
    super.registerGrantType(name, name === 'authorization_code' ? lenient : handler, params, duplicates)
  }
}
