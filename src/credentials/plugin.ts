import type { FastifyInstance, FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { type Account, findAccount } from '../accounts/accounts.ts'
import type { Database } from '../database/client.ts'
import { CredentialRequired } from '../errors.ts'
import type { Authenticator } from './authenticate.ts'
import { type Access, authorize } from './authorize.ts'
import type { Principal } from './principal.ts'
import type { Verified } from './verifier.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
  }
  interface FastifyRequest {
    verified: Verified | undefined
  }
}

export interface CredentialsOptions {
  readonly authenticate: Authenticator
  /** Told of every principal that was let through. */
  readonly onPrincipal: (principal: Principal, request: FastifyRequest) => void
}

/**
 * Judges every request of the scope it is registered in, before its body is read, by what its route
 * states in `config.access`. A route that states nothing does not start.
 */
export const credentials = fastifyPlugin(async (app: FastifyInstance, options: CredentialsOptions) => {
  app.decorateRequest('verified', undefined)

  app.addHook('onRoute', (route) => {
    if (route.config?.access === undefined) throw new Error(`${route.method} ${route.url} does not say who may call it`)
  })

  // With a callback, not a promise: what is remembered is judged without waiting for another turn.
  app.addHook('onRequest', (request, _reply, done) => {
    const { access } = request.routeOptions.config
    if (access === undefined || access.credentials === 'none') return done()
    const refuse = (error: Error) =>
      done(access.credentials === 'optional' && error instanceof CredentialRequired ? undefined : error)
    const admit = (verified: Verified) => {
      try {
        authorize(verified.principal, access)
      } catch (error) {
        return done(error as Error)
      }
      request.verified = verified
      options.onPrincipal(verified.principal, request)
      done()
    }
    try {
      const verified = options.authenticate(request, new Date())
      if (verified instanceof Promise) verified.then(admit, refuse)
      else admit(verified)
    } catch (error) {
      refuse(error as Error)
    }
  })
})

/** The principal of a request on a route that takes a credential. */
export function requirePrincipal(request: FastifyRequest): Principal {
  const principal = findPrincipal(request)
  if (principal === undefined) throw new Error('this route takes no credential')
  return principal
}

/** The principal of a request on a route where a credential is optional. */
export function findPrincipal(request: FastifyRequest): Principal | undefined {
  return request.verified?.principal
}

/** The account behind a request, looked up once for each credential; undefined for a client on its own behalf. */
export async function accountOf(request: FastifyRequest, db: Database): Promise<Account | undefined> {
  const { verified } = request
  if (verified?.principal.subject.kind !== 'account') return undefined
  verified.account ??= await findAccount(db, verified.principal.subject.id)
  return verified.account
}

/** The account a principal stands for, or acts for; undefined for a client on its own behalf. */
export function accountIdOf(principal: Principal): string | undefined {
  return principal.subject.kind === 'account' ? principal.subject.id : undefined
}
