import { decodeJwt, importJWK, type JWTPayload, jwtVerify } from 'jose'
import { errors, type Provider, type TokenEndpointGrantContext } from 'oidc-provider'
import { type AccountKey, findAccountKey } from '../account-keys/account-keys.ts'
import { JWT_BEARER } from '../clients/grant-types.ts'
import { jwsHeader } from '../credentials/presented.ts'
import type { UseOnce } from '../credentials/use-once.ts'
import type { Remembered } from '../database/remembered.ts'
import { ASSERTION_ALGS } from '../keys/public-jwk.ts'
import { builtInIdentifier, type Resource } from '../resources/resources.ts'
import { narrowToRole } from '../resources/scopes.ts'
import { derivedScope, issueDerivedToken, requestedResource } from './derived-token.ts'
import { provenHolder } from './engine-internals.ts'
import { isOfType } from './signed-tokens.ts'
import type { UnitOfWork } from './unit-of-work.ts'

/** Types an assertion may have, in lower case, without what may stand before them (RFC 7523bis 4). */
const TYPES = new Set<unknown>(['jwt', 'authorization-grant+jwt'])

/** How far ahead an assertion may end, in seconds: whoever gets hold of one has no longer to use it. */
const MOST_AHEAD = 5 * 60

export interface JwtBearerDependencies {
  readonly work: UnitOfWork
  readonly resources: Remembered<Resource>
  readonly useOnce: UseOnce
  readonly config: { readonly issuer: string }
}

/**
 * Has the engine take the assertions of service accounts (RFC 7523 2.1): a JWT that the account issues for itself and
 * signs by a key that the operator has registered, once, within minutes. The access token ends with the key.
 */
export function registerJwtBearer(
  provider: Provider,
  { work, resources, useOnce, config }: JwtBearerDependencies,
): void {
  const { issuer } = config
  const audiences = [issuer, `${issuer}/oauth/token`]

  const grant = async (ctx: TokenEndpointGrantContext<{ readonly assertion?: string }>) => {
    const { assertion } = ctx.oidc.params
    if (assertion === undefined) throw new errors.InvalidRequest('assertion is missing')
    const now = new Date()
    const holder = await provenHolder(ctx)
    const { key, claims } = await verify(assertion, now)
    await useUp(claims)
    const resource = await resources.find(work.db, requestedResource(ctx.oidc.params) ?? builtInIdentifier(issuer))
    if (resource === undefined) throw new errors.InvalidTarget()
    const scope = derivedScope(ctx.oidc, resource, (name) => narrowToRole([name], 'service').has(name))
    await issueDerivedToken(ctx, {
      subject: { kind: 'account', id: key.accountId },
      role: 'service',
      resource,
      scope,
      parents: [`account_key ${key.id}`],
      endsAt: undefined,
      act: undefined,
      authentication: {},
      holder,
    })
  }

  async function verify(assertion: string, now: Date): Promise<{ key: AccountKey; claims: JWTPayload }> {
    const { kid, alg } = jwsHeader(assertion) ?? {}
    const { iss, aud } = unverified(assertion)
    if (!isOfType(assertion, TYPES)) throw refused('no compact JWS of its type')
    if (!audiences.some((known) => [aud].flat().every((each) => each === known))) throw refused('for somebody else')
    const key = typeof iss === 'string' && typeof kid === 'string' ? await findAccountKey(work.db, iss, kid) : undefined
    if (key === undefined) throw refused('no such key')
    const { publicJwk } = key
    if (publicJwk.alg !== undefined && publicJwk.alg !== alg) throw refused('not by the algorithm of the key')
    const options = {
      issuer: key.accountId,
      subject: key.accountId,
      audience: audiences,
      algorithms: [...ASSERTION_ALGS],
      requiredClaims: ['exp', 'jti'],
      currentDate: now,
    }
    const { payload } = await importJWK(publicJwk, String(alg))
      .then((imported) => jwtVerify(assertion, imported, options))
      .catch((cause: unknown) => {
        throw refused(cause)
      })
    if (typeof payload.jti !== 'string' || payload.jti === '') throw refused('no jti')
    if (!(Number(payload.exp) <= now.getTime() / 1000 + MOST_AHEAD)) throw refused('it ends too late')
    return { key, claims: payload }
  }

  /** Whoever presents it second, or at the same time in another process, is refused (RFC 7523 3). */
  async function useUp({ iss = '', jti = '', exp = 0 }: JWTPayload): Promise<void> {
    const isFirst = await useOnce({ owner: iss, jti, until: new Date(exp * 1000) })
    if (!isFirst) throw refused('used before')
  }

  provider.registerGrantType<{ readonly assertion?: string }>(
    JWT_BEARER,
    grant,
    ['assertion', 'resource', 'scope'],
    ['resource'],
  )
}

function unverified(assertion: string): JWTPayload {
  try {
    return decodeJwt(assertion)
  } catch {
    return {}
  }
}

/** The outside is told the same whatever is wrong. */
const refused = (reason: unknown) => new errors.InvalidGrant(String(reason))
