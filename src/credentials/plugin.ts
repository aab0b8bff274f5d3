import type { FastifyInstance, FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { CredentialRequired } from '../errors.ts'
import { authenticate } from './authenticate.ts'
import { type Access, authorize } from './authorize.ts'
import type { Principal } from './principal.ts'
import type { CredentialVerifier } from './verifier.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
  }
  interface FastifyRequest {
    principal: Principal | undefined
  }
}

export interface CredentialsOptions {
  readonly verifiers: readonly CredentialVerifier[]
  /** Told of every principal that was let through. */
  readonly onPrincipal: (principal: Principal, request: FastifyRequest) => void
}

/**
 * Judges every request of the scope it is registered in, before its body is read, by what its route
 * states in `config.access`. A route that states nothing does not start.
 */
export const credentials = fastifyPlugin(async (app: FastifyInstance, options: CredentialsOptions) => {
  app.decorateRequest('principal', undefined)

  app.addHook('onRoute', (route) => {
    if (route.config?.access === undefined) throw new Error(`${route.method} ${route.url} does not say who may call it`)
  })

  app.addHook('onRequest', async (request) => {
    const { access } = request.routeOptions.config
    if (access === undefined || access.credentials === 'none') return
    const principal = await authenticate(options.verifiers, request, new Date()).catch((error: unknown) => {
      if (access.credentials === 'optional' && error instanceof CredentialRequired) return undefined
      throw error
    })
    if (principal === undefined) return
    authorize(principal, access)
    request.principal = principal
    options.onPrincipal(principal, request)
  })
})

/** The principal of a request on a route that takes a credential. */
export function requirePrincipal(request: FastifyRequest): Principal {
  if (request.principal === undefined) throw new Error('this route takes no credential')
  return request.principal
}

/** The account a principal stands for, or acts for; undefined for a client on its own behalf. */
export function accountIdOf(principal: Principal): string | undefined {
  return principal.subject.kind === 'account' ? principal.subject.id : undefined
}
