import { exportJWK, generateKeyPair } from 'jose'
import t from 'tap'
import { eventsOf } from '../fixtures/audit.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makeMachineAdministrator } from '../fixtures/machine-administrator.ts'
import { makePerson } from '../fixtures/people.ts'
import { assertionGrant, makeService, makeServiceClient } from '../fixtures/service.ts'
import { meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const admin = await makeMachineAdministrator(server)
const { id } = await makePerson(server, 'service')
const path = `/accounts/${id}/keys`

async function newJwk(extractable = true) {
  const { publicKey } = await generateKeyPair('ES256', { extractable })
  return exportJWK(publicKey)
}

t.test('an administrator gives a service account a key, and the same again is the same key', async (t) => {
  const jwk = { ...(await newJwk()), kid: 'k/1 of a service'.replaceAll(' ', '-') }
  const key = { 'idempotency-key': 'once' }
  const made = await admin.ask<{ kid: string; createdAt: string }>('POST', path, { jwk }, key)
  t.match(made, { status: 201, body: { kid: jwk.kid, jwk } })
  t.strictSame(await admin.ask('POST', path, { jwk }, key), made)
  t.match((await admin.ask('GET', path)).body, { keys: [made.body] })
  t.match(await admin.ask('POST', path, { jwk }), { status: 409, body: { code: 'key_exists' } })
  const removal = `${path}/${encodeURIComponent(jwk.kid)}`
  const events = await eventsOf(server.db, () => admin.ask('DELETE', removal))
  t.match(events, [{ type: 'account_key.remove', actorId: admin.id, subjectId: id, details: { kid: jwk.kid } }])
  t.equal((await admin.ask('DELETE', removal)).status, 404)
  t.strictSame((await admin.ask('GET', path)).body, { keys: [] })
})

t.test('what was got by a key that is removed is refused on the next request (RFC 7523)', async (t) => {
  const [service, client] = [await makeService(server), await makeServiceClient(server)]
  const { access_token } = await assertionGrant(server, client, await service.assert())
  t.equal(await meStatus(server, access_token), 200)
  t.equal((await admin.ask('DELETE', `/accounts/${service.id}/keys/${service.kid}`)).status, 204)
  t.equal(await meStatus(server, access_token), 401)
})

t.test('what is no public key, or not for that account, is refused', async (t) => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const good = await exportJWK(publicKey)
  const bad = [
    {},
    { kty: 'oct', k: 'AAAA' },
    await exportJWK(privateKey),
    { ...good, kid: 'a b' },
    { ...good, crv: 'P-384' },
  ]
  for (const jwk of bad) t.equal((await admin.ask('POST', path, { jwk })).status, 400, JSON.stringify(jwk))
  for (const body of [good, { jwk: good, kid: 'x' }, { jwk: [good] }, { jwk: 'x' }])
    t.equal((await admin.ask('POST', path, body)).status, 400, JSON.stringify(body))
  const person = await makePerson(server)
  t.equal((await admin.ask('POST', `/accounts/${person.id}/keys`, { jwk: good })).status, 400)
  t.equal((await admin.ask('POST', `/accounts/${crypto.randomUUID()}/keys`, { jwk: good })).status, 404)
  t.strictSame((await admin.ask('GET', path)).body, { keys: [] })
})
