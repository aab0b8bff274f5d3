import type { FastifyBaseLogger } from 'fastify'
import type { KoaContextWithOIDC, Provider } from 'oidc-provider'
import { isDatabaseUnavailable } from '../database/unavailable.ts'
import { renderView } from '../http/views.ts'

/**
 * Has failures of ours logged and told. The engine says 500 `server_error` for any; when the database
 * is away that is a 503, and worth another try. What escapes it, such as a commit that failed, is caught too.
 */
export function tellFailure(provider: Provider, log: FastifyBaseLogger): void {
  const tell = (ctx: KoaContextWithOIDC, error: unknown) => {
    log.error({ err: error, route: ctx.oidc?.route }, 'the engine failed')
    const away = isDatabaseUnavailable(error)
    ctx.status = away ? 503 : 500
    if (away) ctx.set('Retry-After', '2')
    ctx.remove('set-cookie')
    if (ctx.accepts('json', 'html') === 'html') {
      ctx.type = 'html'
      ctx.body = renderView('error', {
        status: ctx.status,
        title: 'Something went wrong',
        message: away ? 'The server is not available for a moment. Try again.' : 'Something went wrong on our side.',
      })
    } else {
      ctx.body = away
        ? { error: 'temporarily_unavailable', error_description: 'the server is not available for a moment' }
        : { error: 'server_error', error_description: 'something went wrong on our side' }
    }
  }

  provider.on('server_error', tell)
  provider.addListener(
    'error' as never,
    ((error: unknown, ctx?: KoaContextWithOIDC) => {
      const isOfClient = error !== undefined && ctx?.req.socket?.errored === error
      log[isOfClient ? 'info' : 'error']({ err: error }, isOfClient ? 'the client went away' : 'the engine failed')
    }) as never,
  )
  provider.use(async (ctx: KoaContextWithOIDC, next) => {
    try {
      await next()
    } catch (error) {
      tell(ctx, error)
    }
  })
}
