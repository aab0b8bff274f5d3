import '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** The cookie that holds a browser's refresh token; a script never reads it. */
export interface RefreshCookie {
  readonly name: string
  read(request: FastifyRequest): string | undefined
  write(reply: FastifyReply, refreshToken: string, expires: Date): void
  clear(reply: FastifyReply): void
}

/**
 * `__Host-`, Secure, httpOnly; the prefix and Secure go only where the issuer is http, which is
 * localhost. SameSite is Lax, not Strict: a person sent here by another site's authorization
 * request is signed in all the same. Every route that acts on the cookie checks the origin too.
 */
export function createRefreshCookie(issuer: string): RefreshCookie {
  const secure = issuer.startsWith('https:')
  const name = secure ? '__Host-gatehouse_refresh' : 'gatehouse_refresh'
  const attributes = { path: '/', httpOnly: true, secure, sameSite: 'lax' } as const
  return {
    name,
    read: (request) => request.cookies[name],
    write: (reply, refreshToken, expires) => reply.setCookie(name, refreshToken, { ...attributes, expires }),
    clear: (reply) => reply.clearCookie(name, attributes),
  }
}
