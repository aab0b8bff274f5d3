import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import type { Account } from '../accounts/accounts.ts'
import type { Origin } from '../audit/audit.ts'
import { CredentialRequired, PublicError } from '../errors.ts'
import type { Authenticator } from './authenticate.ts'
import { type Access, authorize } from './authorize.ts'
import type { Credential, Principal } from './principal.ts'
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
  /** Told of every principal that may not do what it asks for. */
  readonly onForbidden: (principal: Principal, error: PublicError, request: FastifyRequest) => void
}

/**
 * Judges every request of the scope it is registered in, before its body is read, by what its route
 * states in `config.access`. A route that states nothing does not start.
 */
export const credentials = fastifyPlugin(async (app: FastifyInstance, options: CredentialsOptions) => {
  app.decorateRequest('verified', undefined)
  app.decorateRequest('nextNonce', undefined)

  app.addHook('onRoute', (route) => {
    const access = route.config?.access
    if (access === undefined) throw new Error(`${route.method} ${route.url} does not say who may call it`)
    if (access.credentials === 'none') return
    route.onRequest = [judge(access, options), ...[route.onRequest ?? []].flat()]
  })
})

/** With a callback, not a promise: what is remembered is judged without waiting for another turn. */
function judge(access: Access, { authenticate, onPrincipal, onForbidden }: CredentialsOptions): onRequestHookHandler {
  type Done = (error?: Error) => void

  const refuse = (error: Error, done: Done) =>
    done(access.credentials === 'optional' && error instanceof CredentialRequired ? undefined : error)

  const admit = (verified: Verified, request: FastifyRequest, now: Date, done: Done) => {
    request.verified = verified
    try {
      authorize(verified.principal, access, now)
    } catch (error) {
      if (error instanceof PublicError) onForbidden(verified.principal, error, request)
      return done(error as Error)
    }
    onPrincipal(verified.principal, request)
    done()
  }

  return (request, reply, done) => {
    const now = new Date()
    let verified: Verified | Promise<Verified>
    try {
      verified = authenticate(request, now, access.resource?.(request))
    } catch (error) {
      return refuse(error as Error, done)
    }
    if (verified instanceof Promise) {
      const tellNonce = () => void (request.nextNonce && reply.header('dpop-nonce', request.nextNonce))
      verified.finally(tellNonce).then(
        (found) => admit(found, request, now, done),
        (error: Error) => refuse(error, done),
      )
    } else admit(verified, request, now, done)
  }
}

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

/** The session of a request on a route that takes first-party JWTs alone, and whose it is. */
export function requireSession(request: FastifyRequest): { readonly accountId: string; readonly sessionId: string } {
  const { credential, subject } = requirePrincipal(request)
  if (credential.kind !== 'first_party_jwt') throw new Error('this route takes a session')
  return { accountId: subject.id, sessionId: credential.sessionId }
}

/** Finds an account that is not disabled. */
export type FindAccount = (id: string) => Promise<Account | undefined>

/**
 * The account behind a request, looked up once for each credential and at once afterwards; undefined for
 * a client on its own behalf.
 */
export function accountOf(
  request: FastifyRequest,
  findAccount: FindAccount,
): Account | undefined | Promise<Account | undefined> {
  const { verified } = request
  if (verified?.principal.subject.kind !== 'account') return undefined
  return verified.account ?? lookUpAccount(verified, verified.principal.subject.id, findAccount)
}

async function lookUpAccount(verified: Verified, id: string, findAccount: FindAccount): Promise<Account | undefined> {
  verified.account = await findAccount(id)
  return verified.account
}

/** The account a principal stands for, or acts for; undefined for a client on its own behalf. */
export function accountIdOf(principal: Principal): string | undefined {
  return principal.subject.kind === 'account' ? principal.subject.id : undefined
}

/** Who asks for what a request changes, for the audit. */
export function originOf(request: FastifyRequest): Origin {
  const { clientId, credential } = findPrincipal(request) ?? {}
  return { clientId, credential: credential && nameOf(credential), from: request.ip }
}

/** A first-party JWT goes by its session, which the audit knows from the sign-in. */
function nameOf(credential: Credential): { kind: string; id: string } {
  if (credential.kind === 'first_party_jwt') return { kind: 'first_party_session', id: credential.sessionId }
  return { kind: credential.kind, id: credential.id }
}
