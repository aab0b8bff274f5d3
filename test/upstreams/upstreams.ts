import t from 'tap'
import { InvalidRequest } from '../../src/errors.ts'
import { discover } from '../../src/upstreams/discovery.ts'
import { listUpstreams, type NewUpstream, requireUsable } from '../../src/upstreams/upstreams.ts'
import { freePort, startGatehouse } from '../fixtures/gatehouse.ts'
import { startOddProvider } from '../fixtures/odd-provider.ts'

const server = await startGatehouse(t)
const GOOD = { id: 'acme', name: 'Acme', issuer: 'https://id.example.com', clientId: 'us', clientSecret: 'a secret' }
let looked = 0

const look = (input: Partial<NewUpstream>) => requireUsable({ ...GOOD, ...input }, async () => void (looked += 1))

t.test('what is no upstream, or has a name that hides its letters, is refused without a look at it', async (t) => {
  const bad: Partial<NewUpstream>[] = [
    ...['http://id.example.com', 'id.example.com', 'https://ID.example.com', 'https://id.example.com:443'],
    ...['https://id.example.com/?tenant=1', 'https://id.example.com/#x', 'https://ada@id.example.com', 'javascript:1'],
  ].map((issuer) => ({ issuer }))
  bad.push(...['Acme', 'a_b', '-a', 'a-', 'a--b', 'a/b', '', 'x'.repeat(33)].map((id) => ({ id })))
  const unshown = ['a\u202eb', '\u3164\u115f', 'a\u2800', '\ufe0f']
  bad.push(...['', ' ', ' a', 'x'.repeat(61), ...unshown].map((name) => ({ name })))
  bad.push({ clientId: '' }, { clientSecret: '' }, { clientSecret: 'a\nb' }, { clientSecret: 'x'.repeat(1001) })
  for (const input of bad) await t.rejects(look(input), InvalidRequest, JSON.stringify(input))
  t.equal(looked, 0)
  t.strictSame(await listUpstreams(server.db), [])
})

t.test('metadata is read from the issuer, and must be its own (Discovery 4.3, RFC 8414 3.3)', async (t) => {
  const provider = await startOddProvider(t, server, 'odd')
  const registered = { ...GOOD, issuer: provider.issuer }
  t.equal((await discover(registered)).serverMetadata().issuer, provider.issuer)
  for (const issuer of ['https://other.example', `${provider.issuer}/`, `${provider.issuer}/tenant`]) {
    provider.metadata = { issuer }
    await t.rejects(discover(registered), { message: new RegExp(`is of another issuer, "${issuer}"`) })
  }
  for (const [name, value] of [
    ['jwks_uri', 'ftp://keys.example'],
    ['token_endpoint', undefined],
    ['authorization_endpoint', 'javascript:alert(1)'],
  ] as const) {
    provider.metadata = { [name]: value }
    await t.rejects(discover(registered), { message: new RegExp(`has no ${name} that is an https URL`) })
  }
  provider.instead.set('/.well-known/openid-configuration', (_request, response) => response.writeHead(404).end())
  await t.rejects(discover(registered), { message: /cannot be read: / })
  const nobody = { ...GOOD, issuer: `http://127.0.0.1:${await freePort()}` }
  await t.rejects(discover(nobody), { message: /cannot be read: connect ECONNREFUSED/ })
})
