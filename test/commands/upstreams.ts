import t from 'tap'
import { eventsOf } from '../fixtures/audit.ts'
import { dumpDatabase } from '../fixtures/dump.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { startOddProvider } from '../fixtures/odd-provider.ts'
import { createOperator } from '../fixtures/operator.ts'

const server = await startGatehouse(t)
const second = await startGatehouse(t)
const operator = createOperator(server.env)
const SECRET = 'our secret at the second'

const create = (issuer: string) => [
  ...['upstreams', 'create', '--id', 'second', '--name', 'Second', '--issuer', issuer],
  ...['--client-id', 'us', '--client-secret-stdin'],
]
const list = (t: Parameters<typeof operator.run>[0]) =>
  operator.run<{ upstreams: { id: string }[] }>(t, ['upstreams', 'list'])

t.test('an upstream is created, listed, changed and deleted; its secret is shown nowhere', async (t) => {
  const made = {
    ...{ id: 'second', name: 'Second', issuer: second.url, client_id: 'us' },
    redirect_uri: `${server.url}/upstreams/second/callback`,
  }
  const events = await eventsOf(server.db, async () => {
    t.strictSame(await operator.run(t, create(second.url), `${SECRET}\n`), made)
    t.strictSame(await list(t), { upstreams: [made] })
    t.notMatch(await dumpDatabase(server.db), SECRET)
    t.match(await operator.refused(t, create(second.url), SECRET), /There is an upstream of that identifier or issuer/)
    t.equal((await server.fetch('/upstreams/second')).status, 303)
    const changed = { ...made, name: 'Two', client_id: 'we' }
    const update = ['upstreams', 'update', 'second']
    const change = ['--name', 'Two', '--client-id', 'we', '--client-secret-stdin']
    t.strictSame(await operator.run(t, [...update, ...change], `${SECRET} 2\n`), changed)
    t.notMatch(await dumpDatabase(server.db), SECRET)
    t.match(await operator.refused(t, update), /say what is to change/)
    t.strictSame(await operator.run(t, ['upstreams', 'delete', 'second']), { id: 'second', deleted: true })
    t.equal((await server.fetch('/upstreams/second')).status, 404, 'at once')
    await operator.refused(t, ['upstreams', 'delete', 'second'])
  })
  const details = { upstream: 'second', issuer: second.url }
  t.match(events, [
    { type: 'upstream.create', actorKind: 'operator', details },
    { type: 'upstream.update', actorKind: 'operator', details },
    { type: 'upstream.delete', actorKind: 'operator', details },
  ])
  t.equal(events.length, 3)
})

t.test(
  'one whose issuer differs from its metadata is refused, and nothing changed (Discovery 4.3, RFC 8414 3.3)',
  async (t) => {
    const provider = await startOddProvider(t, second, 'odd')
    provider.metadata = { issuer: 'https://other.example' }
    const events = await eventsOf(server.db, async () => {
      const said = await operator.refused(t, create(provider.issuer), SECRET)
      t.equal(said, `The metadata of ${provider.issuer} is of another issuer, "https://other.example".\n`)
    })
    t.strictSame(events, [])
    t.strictSame(await list(t), { upstreams: [] })
    const withoutSecret = create(second.url).slice(0, -1)
    t.match(await operator.refused(t, withoutSecret), /--client-secret-stdin is missing: a secret is never an argument/)
  },
)
