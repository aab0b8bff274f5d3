import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Database } from '../database/client.ts'
import { MaybeMoment, Moment } from '../http/schemas.ts'
import { replaceCompromisedKeys, rotateSigningKeys } from '../keys/rotation.ts'
import { type KeyStates, knownAt, stateOf } from '../keys/schedule.ts'
import { listSigningKeys } from '../keys/signing-keys.ts'
import { adminOrigin, READ, WRITE } from './access.ts'
import { createOnce, IdempotencyKey } from './idempotency.ts'
import type { AdminOptions } from './routes.ts'

const SigningKey = Type.Object({
  kid: Type.String(),
  purpose: Type.Enum(['authorization_server', 'first_party', 'audit']),
  alg: Type.Enum(['ES256', 'RS256']),
  state: Type.Enum(['next', 'current', 'retired']),
  createdAt: Moment,
  activatedAt: MaybeMoment,
  retiredAt: MaybeMoment,
})
const SigningKeys = Type.Object({ signingKeys: Type.Array(SigningKey) })
const Rotated = Type.Object({
  signingKeys: Type.Array(SigningKey),
  knownAt: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    format: 'date-time',
    description:
      'Until when a verifier that keeps the published keys may not know those that sign, unless it looks again',
  }),
})
const Rotation = Type.Object({ compromised: Type.Optional(Type.Boolean()) }, { additionalProperties: false })
const tags = ['admin']

/** The signing keys, without their private parts. */
export const signingKeyRoutes: FastifyPluginAsyncTypebox<AdminOptions> = async (app, options) => {
  const { db, sealer, jwksMaxAge } = options
  const create = createOnce({ db, sealer })
  const view = async (tx: Database) => ({ signingKeys: (await listSigningKeys(tx)).map(viewOf) })

  app.get(
    '/api/admin/signing-keys',
    {
      schema: {
        summary: 'List signing keys',
        description: 'The next, the current and the retired ones, without their private parts.',
        tags,
        response: { 200: SigningKeys },
      },
      config: { access: READ },
    },
    () => view(db),
  )

  app.post(
    '/api/admin/signing-keys/rotate',
    {
      schema: {
        summary: 'Rotate signing keys',
        description:
          'The next keys sign at once; what the ones before signed stays good. With `compromised` new keys sign, and whatever any key signed before is refused within a second, the credential of this request too.',
        tags,
        headers: IdempotencyKey,
        body: Rotation,
        response: { 201: Rotated },
      },
      config: { access: WRITE },
    },
    (request, reply) =>
      create(request, reply, async (tx) => {
        const now = new Date()
        const rotate = request.body.compromised === true ? replaceCompromisedKeys : rotateSigningKeys
        await rotate(tx, sealer, now, adminOrigin(request))
        const known = knownAt(await listSigningKeys(tx), jwksMaxAge)
        return { view: { ...(await view(tx)), knownAt: known > now ? known.toISOString() : null } }
      }),
  )
}

function viewOf(key: KeyStates) {
  const { kid, purpose, alg, createdAt, activatedAt, retiredAt } = key
  return {
    kid,
    purpose,
    alg,
    state: stateOf(key),
    createdAt: createdAt.toISOString(),
    activatedAt: activatedAt?.toISOString() ?? null,
    retiredAt: retiredAt?.toISOString() ?? null,
  }
}
