import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import { isPlainHost } from './plain-host.ts'

const DIRECTIVES: Readonly<Record<string, readonly string[]>> = {
  'default-src': ["'none'"],
  'base-uri': ["'none'"],
  'connect-src': ["'self'"],
  'font-src': ["'self'"],
  'frame-ancestors': ["'none'"],
  'img-src': ["'self'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
}

/**
 * The content security policy of a page. A form may be sent to us and, where the answer leads on to
 * an application, to that application: browsers hold `form-action` against the redirects too.
 */
export function contentSecurityPolicy(formAction: readonly string[] = []): string {
  return Object.entries({ ...DIRECTIVES, 'form-action': ["'self'", ...formAction] })
    .map(([name, sources]) => [name, ...sources].join(' '))
    .join('; ')
}

/**
 * The source expression of a redirect URI: its origin, or the scheme of a private-use one; none when its host holds
 * what a URL may but a policy gives a meaning, such as a semicolon.
 */
export function formActionSource(uri: string): string | undefined {
  const url = URL.parse(uri)
  if (url === null) return undefined
  if (!/^https?:$/.test(url.protocol)) return url.protocol
  return isPlainHost(url) ? url.origin : undefined
}

/** The headers of a response that no hook is run for. */
export const EARLY_HEADERS = {
  'content-security-policy': contentSecurityPolicy(),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
}

/**
 * Headers of every response: no framing, no sniffing, no referrer, the policy above.
 * Without Cross-Origin-Opener-Policy, which would cut off an application that opens us in a pop-up.
 */
export async function registerSecurityHeaders(app: FastifyInstance): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: false,
    crossOriginOpenerPolicy: false,
    xFrameOptions: { action: 'deny' },
    referrerPolicy: { policy: 'no-referrer' },
  })
  const policy = contentSecurityPolicy()
  app.addHook('onRequest', async (_request, reply) => {
    reply.raw.setHeader('content-security-policy', policy)
  })
}
