import t from 'tap'
import { makeAdministrator } from '../fixtures/administrator.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { Browser } from '../fixtures/browser.ts'
import { dumpDatabase } from '../fixtures/dump.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { startOddProvider } from '../fixtures/odd-provider.ts'

const server = await startGatehouse(t)
const provider = await startGatehouse(t)
const admin = await makeAdministrator(server)
const UPSTREAMS = '/api/admin/upstreams'
const SECONDS = `${UPSTREAMS}/second`
const SECRET = 'our secret at the second'
const SECOND = { id: 'second', name: 'Second', issuer: provider.url, clientId: 'us' }

t.test('a provider is registered, read, changed and deleted over HTTP; its secret is told nowhere', async (t) => {
  const view = { ...SECOND, redirectUri: `${server.url}/upstreams/second/callback` }
  const events = await eventsOf(server.db, async () => {
    const made = await admin.send('POST', UPSTREAMS, { ...SECOND, clientSecret: SECRET })
    t.match(made, { status: 201, body: view })
    t.equal(made.headers.get('location'), SECONDS)
    const read = await admin.send('GET', SECONDS)
    t.strictSame(read.body, made.body)
    t.equal(read.headers.get('etag'), made.headers.get('etag'))
    t.strictSame((await admin.send('GET', UPSTREAMS)).body, { upstreams: [made.body] })
    t.equal((await server.fetch('/upstreams/second')).status, 303, 'people are sent there at once')

    const change = { name: 'Renamed', clientId: 'we', clientSecret: `${SECRET} 2` }
    const changed = await admin.change('PATCH', SECONDS, change)
    t.match(changed, { status: 200, body: { ...view, name: 'Renamed', clientId: 'we' } })
    t.notMatch(JSON.stringify([made.body, changed.body]), SECRET)
    t.notMatch(await dumpDatabase(server.db), SECRET)
    t.equal((await admin.change('DELETE', SECONDS)).status, 204)
    t.equal((await server.fetch('/upstreams/second')).status, 404, 'nor any more')
  })
  const details = { upstream: 'second', issuer: provider.url }
  t.match(events, [
    { type: 'upstream.create', actorKind: 'account', actorId: admin.person.id, details },
    { type: 'upstream.update', details: { ...details, changed: ['name', 'clientId', 'clientSecret'] } },
    { type: 'upstream.delete', details },
  ])
  for (const method of ['GET', 'DELETE']) t.equal((await admin.send(method, SECONDS)).status, 404)
})

t.test('a changed secret is the one the provider is shown from then on (OpenID Connect Core 9)', async (t) => {
  const odd = await startOddProvider(t, server, 'odd')
  const { status } = await admin.change('PATCH', `${UPSTREAMS}/odd`, { clientSecret: 'another one' })
  t.equal(status, 200)
  const browser = new Browser(server)
  const state = new URL((await browser.goto('/upstreams/odd')).url).searchParams.get('state') ?? ''
  const shown: string[] = []
  odd.instead.set('/token', (request, response) => {
    shown.push(Buffer.from(request.headers.authorization?.slice('Basic '.length) ?? '', 'base64').toString())
    response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}')
  })
  await browser.goto(`/upstreams/odd/callback?${new URLSearchParams({ state, code: 'c' })}`)
  t.strictSame(shown, ['us:another+one'])
})

t.test('a change is of what was read, and the issuer stays (RFC 6585 3, RFC 9110 13.1.1)', async (t) => {
  const { headers } = await admin.send('POST', UPSTREAMS, { ...SECOND, clientSecret: SECRET })
  const etag = { 'if-match': headers.get('etag') ?? '' }
  t.equal((await admin.send('PATCH', SECONDS, { name: 'A' })).status, 428)
  t.equal((await admin.send('PATCH', SECONDS, { issuer: 'https://other.example' }, etag)).status, 400)
  t.equal((await admin.send('PATCH', SECONDS, { name: 'A' }, etag)).status, 200)
  t.equal((await admin.send('PATCH', SECONDS, { name: 'B' }, etag)).status, 412)
  t.equal((await admin.send('DELETE', SECONDS, undefined, etag)).status, 412)
  t.match((await admin.send('GET', SECONDS)).body, { name: 'A', issuer: provider.url })
  for (const bad of [{ name: '' }, { name: 'a\u202eb' }, { clientId: '' }, { clientSecret: 'a\nb' }]) {
    t.match(await admin.change('PATCH', SECONDS, bad), { status: 400, body: { code: 'invalid_request' } })
  }
})

t.test('bad input gets a problem with a code, and nothing is changed (RFC 9457, Discovery 4.3)', async (t) => {
  const odd = await startOddProvider(t, server, 'differs')
  await admin.change('DELETE', `${UPSTREAMS}/differs`)
  odd.metadata = { issuer: 'https://other.example' }
  const before = (await admin.send('GET', UPSTREAMS)).body
  const refused: [object, number, string][] = [
    [{ issuer: odd.issuer }, 400, 'invalid_request'],
    [{ issuer: 'https://id.example/?tenant=1' }, 400, 'invalid_request'],
    [{ issuer: 'id.example' }, 400, 'invalid_request'],
    [{ id: 'a/b' }, 400, 'invalid_request'],
    [{ clientSecret: '' }, 400, 'invalid_request'],
    [{}, 409, 'upstream_exists'],
  ]
  for (const [input, status, code] of refused) {
    const answer = await admin.send('POST', UPSTREAMS, { ...SECOND, clientSecret: SECRET, ...input })
    t.match(answer, { status, body: { status, code } }, JSON.stringify(input))
  }
  t.strictSame((await admin.send('GET', UPSTREAMS)).body, before)
})

t.test('nobody looks around inside by the API: an issuer there is registered by command alone (CWE-918)', async (t) => {
  const outside = await startGatehouse(t, { env: { ISSUER: 'https://auth.example', TRUST_PROXY: '127.0.0.1' } })
  const asked: [typeof server, string][] = [
    ...['https://10.0.0.1', 'https://169.254.169.254', 'https://[::ffff:a00:1]'].map(
      (issuer) => [server, issuer] as [typeof server, string],
    ),
    [outside, provider.url],
  ]
  for (const [at, issuer] of asked) {
    const body = { ...SECOND, id: 'inside', issuer, clientSecret: SECRET }
    const answer = await (await makeAdministrator(at)).send('POST', UPSTREAMS, body)
    t.match(answer, { status: 400, body: { code: 'invalid_request', detail: /an internal address/ } }, issuer)
  }
})
