import t from 'tap'
import { makeAdministrator, pagesOf } from '../fixtures/administrator.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'

const server = await startGatehouse(t)
const admin = await makeAdministrator(server)
const RESOURCES = '/api/admin/resources'
const at = (identifier: string) => `${RESOURCES}/${encodeURIComponent(identifier)}`
const INVOICES = 'https://invoices.example/api'
const scopes = [{ scope: 'inv:read', sentence: 'See your invoices' }]
const type = { type: 'pay', sentence: 'Pay', required: ['amount'], optional: ['note'] }

t.test('an API is registered, read, changed and deleted over HTTP, as by command', async (t) => {
  const input = { identifier: INVOICES, name: 'Invoices', scopes, accessTokenLifetime: 120, signingAlg: 'RS256' }
  const events = await eventsOf(server.db, async () => {
    const made = await admin.send('POST', RESOURCES, { ...input, authorizationDetailsTypes: [type] })
    t.match(made, { status: 201, body: { ...input, format: 'jwt', authorizationDetailsTypes: [type] } })
    t.equal(made.headers.get('location'), at(INVOICES))
    const read = await admin.send('GET', at(INVOICES))
    t.strictSame(read.body, made.body)
    t.equal(read.headers.get('etag'), made.headers.get('etag'))
  })
  t.match(events, [{ type: 'resource.create', actorKind: 'account', actorId: admin.person.id }])

  const changed = await admin.change('PATCH', at(INVOICES), { scopes: [{ scope: 'inv:pay', sentence: 'Pay' }] })
  t.match(changed, { status: 200, body: { name: 'Invoices', scopes: [{ scope: 'inv:pay' }], signingAlg: 'RS256' } })
  t.equal((await admin.change('DELETE', at(INVOICES))).status, 204)
  t.match(await admin.send('GET', at(INVOICES)), { status: 404, body: { code: 'not_found' } })
  t.equal((await admin.send('DELETE', at(INVOICES))).status, 404)
})

t.test('a change needs the ETag, and a stale one changes nothing (RFC 6585 3, RFC 9110 13.1.1)', async (t) => {
  const identifier = 'https://stale.example'
  const { headers } = await admin.send('POST', RESOURCES, { identifier, name: 'One', scopes: [] })
  const etag = { 'if-match': headers.get('etag') ?? '' }
  const late = { name: 'Late' }
  t.match(await admin.send('PATCH', at(identifier), late), { status: 428, body: { code: 'precondition_required' } })
  const both = await Promise.all([1, 2].map((n) => admin.send('PATCH', at(identifier), { name: `First ${n}` }, etag)))
  t.same(both.map(({ status }) => status).sort(), [200, 412], 'of two at once one is too late')
  const before = (await admin.send('GET', at(identifier))).body
  t.match(await admin.send('PATCH', at(identifier), late, etag), { status: 412, body: { code: 'precondition_failed' } })
  t.equal((await admin.send('DELETE', at(identifier), undefined, etag)).status, 412)
  t.strictSame((await admin.send('GET', at(identifier))).body, before)
})

t.test(
  'bad input gets a problem with a code, and nothing is changed (RFC 9457, RFC 8707 2, RFC 6749 3.3)',
  async (t) => {
    const taken = { identifier: 'https://taken.example', name: 'Taken', scopes: [{ scope: 'taken', sentence: 'T' }] }
    t.equal((await admin.send('POST', RESOURCES, taken)).status, 201)
    const before = await pagesOf(admin, RESOURCES, 'resources')
    const good = { identifier: 'https://good.example', name: 'Good', scopes: [{ scope: 'good', sentence: 'Good' }] }
    const refused: [object, number, string][] = [
      [{ identifier: 'orders' }, 400, 'invalid_target'],
      [{ identifier: 'https://x.example/#a' }, 400, 'invalid_target'],
      [{ identifier: `${server.url}/api` }, 400, 'invalid_target'],
      [{ identifier: taken.identifier }, 409, 'resource_exists'],
      [{ scopes: [{ scope: 'a b', sentence: 'A' }] }, 400, 'invalid_scope'],
      [{ scopes: [...good.scopes, ...good.scopes] }, 400, 'invalid_scope'],
      [{ scopes: [{ scope: 'keys:read', sentence: 'K' }] }, 400, 'invalid_scope'],
      [{ scopes: [{ scope: 'a', sentence: '' }] }, 400, 'invalid_request'],
      [{ scopes: [{ scope: 'a' }] }, 400, 'invalid_request'],
      [{ scopes: { a: 'A' } }, 400, 'invalid_request'],
      [{ name: '' }, 400, 'invalid_request'],
      [{ accessTokenLifetime: 59 }, 400, 'invalid_request'],
      [{ signingAlg: 'none' }, 400, 'invalid_request'],
      [{ format: 'saml' }, 400, 'invalid_request'],
      [{ authorizationDetailsTypes: [{ type: 'a b', sentence: 'A' }] }, 400, 'invalid_request'],
      [{ createdAt: '2020-01-01T00:00:00.000Z' }, 400, 'invalid_request'],
    ]
    for (const [change, status, code] of refused) {
      const answer = await admin.send('POST', RESOURCES, { ...good, ...change })
      t.match(answer, { status, body: { status, code } }, JSON.stringify(change))
      t.match(answer.headers.get('content-type'), 'application/problem+json')
      if (Object.hasOwn(change, 'identifier')) continue
      t.match(await admin.change('PATCH', at(taken.identifier), change), { status })
    }
    t.strictSame(await pagesOf(admin, RESOURCES, 'resources'), before)
    const shared = await admin.send('POST', RESOURCES, { ...good, scopes: taken.scopes })
    t.equal(shared.status, 201, 'two resources may have a scope of one name')
  },
)

t.test('made twice with one key it is there once (draft-ietf-httpapi-idempotency-key-header 2)', async (t) => {
  const input = { identifier: 'https://once.example', name: 'Once', scopes: [] }
  const key = { 'idempotency-key': 'one' }
  const answers = await Promise.all([1, 2, 3].map(() => admin.send('POST', RESOURCES, input, key)))
  for (const { status, body, headers } of answers) {
    t.strictSame({ status, body }, { status: 201, body: answers[0]?.body })
    t.equal(headers.get('etag'), answers[0]?.headers.get('etag'))
  }
  const other = await admin.send('POST', RESOURCES, { ...input, name: 'Other' }, key)
  t.match(other, { status: 422, body: { code: 'idempotency_key_reused' } })
})

t.test('all are listed, page by page, in the order they were registered', async (t) => {
  for (const n of [1, 2, 3]) await admin.send('POST', RESOURCES, { identifier: `urn:page:${n}`, name: 'N', scopes: [] })
  const listed = await pagesOf(admin, RESOURCES, 'resources')
  t.same(
    listed.slice(-3).map(({ identifier }) => identifier),
    ['urn:page:1', 'urn:page:2', 'urn:page:3'],
  )
  t.equal(new Set(listed.map(({ identifier }) => identifier)).size, listed.length)
  t.equal((await admin.send('GET', `${RESOURCES}?cursor=x`)).status, 400)
})
