import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import t from 'tap'
import { makeClient, REDIRECT_URI } from '../fixtures/clients.ts'
import { ageDocuments, requestAs, serveDocuments } from '../fixtures/documents.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'

const server = await startGatehouse(t)
const documents = await serveDocuments(t)
const anyone = await makeClient(server)
const PUBLIC = { redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'none' }
const DAY_MS = 24 * 60 * 60 * 1000

async function visit(id: string, on: Gatehouse = server): Promise<Response> {
  const { pathname, search } = (await requestAs(anyone, id)).url
  return on.fetch(pathname + search)
}

/** Of a page to sign in at, and of an error. */
const GOOD = 303
const BAD = 400

t.test('a client with keys in its document proves that it has them (RFC 7523 3)', async (t) => {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const other = await generateKeyPair('ES256')
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] }
  const id = documents.put('/keys.json', { ...PUBLIC, token_endpoint_auth_method: 'private_key_jwt', jwks })
  const ask = async (key: typeof privateKey) => {
    const client_assertion = await new SignJWT({ iss: id, sub: id, aud: server.url, jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(key)
    const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    const body = new URLSearchParams({ token: 'x', client_assertion_type: type, client_assertion })
    return (await server.fetch('/oauth/introspect', { method: 'POST', body })).status
  }
  t.equal(await ask(privateKey), 200)
  t.equal(await ask(other.privateKey), 401)
  const unproven = new URLSearchParams({ token: 'x', client_id: id })
  t.equal((await server.fetch('/oauth/introspect', { method: 'POST', body: unproven })).status, 401)
})

t.test('a client goes on for a day while its server does not answer, and is fetched again when it does', async (t) => {
  const id = documents.put('/away.json', PUBLIC)
  t.equal((await visit(id)).status, GOOD)
  for (const status of [500, 503, 429]) {
    documents.answer('/away.json', { status })
    await ageDocuments(server, [id], new Date(Date.now() - 60_000))
    t.equal((await visit(id)).status, GOOD, `${status}`)
  }
  t.equal(documents.hits(id), 2, 'nor is it asked again and again')

  const later = await startGatehouse(t, { beside: server })
  await ageDocuments(server, [id], new Date(Date.now() - DAY_MS - 60_000))
  t.equal((await visit(id, later)).status, BAD)
  documents.put('/away.json', PUBLIC)
  t.equal((await visit(id, later)).status, GOOD)
})

t.test('how long a document is good is for its server to say, within bounds (RFC 9111 4.2.1)', async (t) => {
  const minutes = async (headers: Record<string, string>) => {
    const id = documents.put(`/${randomUUID()}`, PUBLIC, { headers })
    const before = Date.now()
    await visit(id)
    const row = await server.db.query.clients.findFirst({ where: (client, { eq }) => eq(client.id, id) })
    return Math.round(((row?.documentFreshUntil?.getTime() ?? 0) - before) / 60_000)
  }
  t.equal(await minutes({ 'cache-control': 'public, max-age=1800' }), 30)
  t.equal(await minutes({ expires: new Date(Date.now() + 1_200_000).toUTCString() }), 20)
  t.equal(await minutes({}), 5)
  t.equal(await minutes({ 'cache-control': 'no-store' }), 1)
  t.equal(await minutes({ 'cache-control': 'max-age=0' }), 1)
  t.equal(await minutes({ 'cache-control': 'max-age=31536000' }), 24 * 60)
})

t.test('there are as many clients that nobody registered as the operator takes', async (t) => {
  const small = await startGatehouse(t, { env: { DYNAMIC_CLIENTS_MAX: '2' } })
  const ids = ['/first.json', '/second.json', '/third.json'].map((path) => documents.put(path, PUBLIC))
  const statuses = []
  for (const id of ids) statuses.push((await visit(id, small)).status)
  t.strictSame(statuses, [GOOD, GOOD, 503])
  t.equal((await visit(ids[0] ?? '', small)).status, GOOD, 'who is there stays')
})

t.test('a stranger has only so many documents fetched, and a client that is known is not held up', async (t) => {
  const known = documents.put('/known.json', PUBLIC)
  t.equal((await visit(known)).status, GOOD)
  const statuses: number[] = []
  for (let batch = 0; batch < 20 && !statuses.includes(429); batch += 1) {
    const ids = Array.from({ length: 20 }, (_, i) => `${documents.origin}/none/${batch}/${i}`)
    statuses.push(...(await Promise.all(ids.map(async (id) => (await visit(id)).status))))
  }
  t.ok(statuses.includes(429))
  t.ok(statuses.filter((status) => status === BAD).length <= 300)
  await ageDocuments(server, [known], new Date(Date.now() - 60_000))
  t.equal((await visit(known)).status, GOOD)
})
