import '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Account, emailKey } from '../accounts/accounts.ts'
import type { KnownDevices } from '../secrets/known-devices.ts'

/** A cookie that a script never reads. */
interface SecretCookie {
  readonly name: string
  read(request: FastifyRequest): string | undefined
  write(reply: FastifyReply, value: string, expires: Date): void
  clear(reply: FastifyReply): void
}

/** The cookie that holds a browser's refresh token. */
export type RefreshCookie = SecretCookie

/**
 * `__Host-`, Secure, httpOnly; the prefix and Secure go only where the issuer is http, which is
 * localhost. SameSite is Lax, not Strict: a person sent here by another site's authorization
 * request is signed in all the same. Every route that acts on the cookie checks the origin too.
 */
function createSecretCookie(issuer: string, purpose: string): SecretCookie {
  const secure = issuer.startsWith('https:')
  const name = secure ? `__Host-gatehouse_${purpose}` : `gatehouse_${purpose}`
  const attributes = { path: '/', httpOnly: true, secure, sameSite: 'lax' } as const
  return {
    name,
    read: (request) => request.cookies[name],
    write: (reply, value, expires) => reply.setCookie(name, value, { ...attributes, expires }),
    clear: (reply) => reply.clearCookie(name, attributes),
  }
}

export const createRefreshCookie = (issuer: string): RefreshCookie => createSecretCookie(issuer, 'refresh')

/** The cookie that binds what a browser has begun at an upstream provider to it. */
export type UpstreamCookie = SecretCookie

export const createUpstreamCookie = (issuer: string): UpstreamCookie => createSecretCookie(issuer, 'upstream')

/** The cookie by which a browser is known in which somebody has signed in before; it stays when they sign out. */
export interface DeviceCookie {
  read(request: FastifyRequest): string | undefined
  /** Has the browser known from now on as one in which this account has signed in. */
  remember(reply: FastifyReply, account: Account, now: Date): void
}

export function createDeviceCookie(issuer: string, devices: KnownDevices): DeviceCookie {
  const { read, write } = createSecretCookie(issuer, 'device')
  return {
    read,
    remember(reply, { email }, now) {
      const { value, expires } = devices.remember(emailKey(email), now)
      write(reply, value, expires)
    },
  }
}
