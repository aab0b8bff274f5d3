import t from 'tap'
import { makeOneOfEach } from '../fixtures/credentials.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { countQueries } from '../fixtures/queries.ts'

const server = await startGatehouse(t)

for (const { kind, headers, token } of await makeOneOfEach(server)) {
  t.test(`a warm check of a credential makes no query: ${kind}`, async (t) => {
    const call = async () => t.equal((await server.fetch('/api/me', { headers })).status, 200)
    await call()
    t.equal(await countQueries(server, call), 0)
  })

  t.test(`what is remembered opens nothing for its neighbour: ${kind}`, async (t) => {
    t.equal((await server.fetch('/api/me', { headers })).status, 200)
    const [header, value = ''] = Object.entries(headers)[0] ?? ['', '']
    for (const index of [value.length - 1, value.length - 2, Math.floor(value.length / 2)]) {
      const other = value[index] === 'A' ? 'B' : 'A'
      const neighbour = value.slice(0, index) + other + value.slice(index + 1)
      t.equal((await server.fetch('/api/me', { headers: { [header]: neighbour } })).status, 401, `changed at ${index}`)
    }
    t.equal((await server.fetch('/api/me', { headers: { [header]: value.slice(0, -1) } })).status, 401, 'cut short')
    t.equal((await server.fetch('/api/me', { headers: { 'x-api-key': `${token}.` } })).status, 401, 'as another kind')
  })
}

t.test('a JWT is not taken in the header of API keys, remembered or not', async (t) => {
  const jwt = (await makeOneOfEach(server)).find(({ kind }) => kind === 'first_party_jwt')
  t.equal((await server.fetch('/api/me', { headers: jwt?.headers ?? {} })).status, 200)
  t.equal((await server.fetch('/api/me', { headers: { 'x-api-key': jwt?.token ?? '' } })).status, 401)
})

t.test('scope and role are judged on each request, not remembered', async (t) => {
  const [, key] = await makeOneOfEach(server)
  t.equal((await server.fetch('/api/keys', { headers: key?.headers ?? {} })).status, 200, 'keys:read')
  t.equal((await server.fetch('/api/admin/users', { headers: key?.headers ?? {} })).status, 403)
  t.equal((await server.fetch('/api/keys', { headers: key?.headers ?? {} })).status, 200)
})

t.test('garbage does not reach the database: a bad checksum, a JWT of bad form, an unknown token again', async (t) => {
  const status = async (headers: Record<string, string>) => (await server.fetch('/api/me', { headers })).status
  t.equal(await countQueries(server, () => status({ 'x-api-key': `gk_live_${'x'.repeat(49)}` })), 0)
  t.equal(await countQueries(server, () => status({ authorization: 'Bearer aaa.bbb.ccc' })), 0)
  t.equal(await countQueries(server, () => status({ authorization: `Bearer ${'u'.repeat(43)}` })), 1)
  t.equal(await countQueries(server, () => status({ authorization: `Bearer ${'u'.repeat(43)}` })), 0)
})
