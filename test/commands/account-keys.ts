import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import t from 'tap'
import { eventsOf } from '../fixtures/audit.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { createOperator } from '../fixtures/operator.ts'
import { makePerson } from '../fixtures/people.ts'
import { assertionGrant, makeService, makeServiceClient } from '../fixtures/service.ts'
import { meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const operator = createOperator(server.env)
const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
const jwk = await exportJWK(publicKey)
const add = (id: string, key: object) => ['accounts', 'keys', 'add', id, '--jwk', JSON.stringify(key)]
const service = await makePerson(server, 'service')

t.test('accounts keys add, list and remove, each with its trace', async (t) => {
  const kid = await calculateJwkThumbprint(jwk)
  const events = await eventsOf(server.db, async () => {
    t.match(await operator.run(t, add(service.id, jwk)), { id: service.id, kid, kty: 'EC', alg: null })
    t.match(await operator.run(t, add(service.id, { ...jwk, kid: 'two', alg: 'ES256' })), { kid: 'two', alg: 'ES256' })
    t.match(await operator.run(t, ['accounts', 'keys', 'list', service.id]), { keys: [{ kid }, { kid: 'two' }] })
    t.match(await operator.run(t, ['accounts', 'keys', 'remove', service.id, '--kid', 'two']), { removed: true })
    t.match(await operator.run(t, ['accounts', 'keys', 'list', service.id]), { keys: [{ kid }] })
  })
  const types = ['account_key.add', 'account_key.add', 'account_key.remove']
  t.match(
    events,
    types.map((type) => ({ type, subjectId: service.id, actorKind: 'operator' })),
  )
})

t.test('what is no public key to verify with, or not for a service, is refused (RFC 8725 3.4, 3.5)', async (t) => {
  const rsa = await exportJWK((await generateKeyPair('RS256', { extractable: true })).publicKey)
  const small = Buffer.alloc(128, 0xff).toString('base64url')
  const wrong: [string, object, RegExp][] = [
    ['the private key', await exportJWK(privateKey), /private/],
    ['a secret', { kty: 'oct', k: 'c2VjcmV0' }, /secret/],
    ['a key to encrypt with', { ...jwk, use: 'enc' }, /not for signatures/],
    ['another curve', { ...jwk, crv: 'secp256k1' }, /none of/],
    ['a point not on the curve', { ...jwk, y: jwk.x }, /none of/],
    ['another algorithm', { ...jwk, alg: 'RS256' }, /none of/],
    ['a symmetric algorithm', { ...jwk, alg: 'HS256' }, /none of/],
    ['the exponent 1', { ...rsa, e: 'AQ' }, /exponent/],
    ['an even exponent', { ...rsa, e: 'AQAA' }, /exponent/],
    ['a small modulus', { ...rsa, n: small }, /fewer than 2048/],
    ['a huge modulus', { ...rsa, n: Buffer.alloc(2048, 0xff).toString('base64url') }, /more than 8192/],
    ['no kind', {}, /none of/],
    ['a name of too many letters', { ...jwk, kid: 'x'.repeat(200) }, /kid/],
    ['the same again', jwk, /already/],
  ]
  for (const [name, key, reason] of wrong) t.match(await operator.refused(t, add(service.id, key)), reason, name)
  for (const role of ['user', 'admin'] as const) {
    t.match(await operator.refused(t, add((await makePerson(server, role)).id, jwk)), /role service/)
  }
  t.match(await operator.refused(t, add('nobody', jwk)), /no such account/)
  t.match(await operator.refused(t, ['accounts', 'keys', 'add', service.id, '--jwk', '[1]']), /--jwk/)
  t.match(await operator.refused(t, ['accounts', 'keys', 'remove', service.id, '--kid', 'x']), /no such key/)
})

t.test('a key that is removed ends what it got, in the server that runs (RFC 7523 2.1)', async (t) => {
  const own = await makeService(server)
  const client = await makeServiceClient(server)
  const { access_token } = await assertionGrant(server, client, await own.assert())
  t.equal(await meStatus(server, access_token), 200)
  await operator.run(t, ['accounts', 'keys', 'remove', own.id, '--kid', own.kid])
  const status = await eventually(
    () => meStatus(server, access_token),
    (answer) => answer === 401,
  )
  t.equal(status, 401)
})
