import t from 'tap'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makeMachineAdministrator } from '../fixtures/machine-administrator.ts'
import { makePerson } from '../fixtures/people.ts'
import { joinFromElsewhere, makeUpstream, openBoth, whoIs } from '../fixtures/upstream.ts'

const server = await startGatehouse(t)
const other = await startGatehouse(t, { beside: server })
const elsewhere = await startGatehouse(t)
const admin = await makeMachineAdministrator(server)
const first = await makePerson(server, 'admin')
const any = { 'if-match': '*' }
const change = (id: string, body: object) => admin.ask('PATCH', `/accounts/${id}`, body, any)
const LAST = { status: 409, body: { code: 'last_administrator' } }

t.test('the last administrator is neither disabled nor given another role', async (t) => {
  t.match(await change(first.id, { disabled: true }), LAST)
  t.match(await change(first.id, { role: 'USER' }), LAST)
  t.match(await change(first.id, { role: 'SERVICE', name: 'Ida' }), LAST)
  t.match((await admin.ask('GET', `/accounts/${first.id}`)).body, { role: 'ADMIN', disabled: false, name: first.name })
  t.match(await change(first.id, { name: 'Ida' }), { status: 200 }, 'but may have another name')
})

t.test('one that is disabled does not count, and may lose the role', async (t) => {
  const second = await makePerson(server, 'admin')
  t.match(await change(second.id, { disabled: true }), { status: 200 })
  t.match(await change(first.id, { disabled: true }), LAST)
  t.match(await change(second.id, { role: 'USER' }), { status: 200 })
  t.match(await change(first.id, { disabled: true }), LAST)
})

t.test('one who has no way to sign in does not count: no password, and the upstream deleted', async (t) => {
  const upstream = await makeUpstream(server, elsewhere)
  const browsers = openBoth(server, upstream)
  await joinFromElsewhere(browsers, '/upstreams/second', await makePerson(elsewhere))
  const { id } = await whoIs(browsers.here)
  t.match(await change(id, { role: 'ADMIN' }), { status: 200 })
  t.match(await change(first.id, { disabled: true }), { status: 200 }, 'who signs in at an upstream counts')
  t.match(await change(first.id, { disabled: false }), { status: 200 })
  t.equal((await admin.ask('DELETE', '/upstreams/second', undefined, any)).status, 204)
  t.match(await change(first.id, { disabled: true }), LAST)
  t.match(await change(first.id, { role: 'USER' }), LAST)
  t.match(await change(id, { role: 'USER' }), { status: 200 }, 'and may lose the role')
})

t.test('of administrators who are all disabled at once, over several processes, one is left', async (t) => {
  for (let round = 0; round < 5; round += 1) {
    const some = [first, await makePerson(server, 'admin'), await makePerson(server, 'admin')]
    const disable = async ({ id }: { id: string }, i: number) => {
      const at = i % 2 === 0 ? server : other
      const headers = { ...admin.headers, ...any, 'content-type': 'application/json' }
      const body = JSON.stringify(i === 1 ? { role: 'USER' } : { disabled: true })
      return (await at.fetch(`/api/admin/accounts/${id}`, { method: 'PATCH', headers, body })).status
    }
    t.strictSame((await Promise.all(some.map(disable))).sort(), [200, 200, 409])
    const left = await admin.walk<{ disabled: boolean }>('/accounts?role=ADMIN', 'accounts', 50)
    t.equal(left.filter(({ disabled }) => !disabled).length, 1)
    await change(first.id, { disabled: false, role: 'ADMIN' })
    for (const { id } of some.slice(1)) await change(id, { role: 'USER' })
  }
})
