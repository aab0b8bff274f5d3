import t from 'tap'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makeMachineAdministrator } from '../fixtures/machine-administrator.ts'
import { makePerson } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const admin = await makeMachineAdministrator(server)
const { id } = await makePerson(server)
const path = `/accounts/${id}`
const rename = (name: string, more: Record<string, string>) => admin.ask('PATCH', path, { name }, more)
const nameNow = async () => (await admin.ask<{ name: string }>('GET', path)).body.name

t.test('a change without If-Match is refused (RFC 6585 3)', async (t) => {
  t.match(await rename('Ida', {}), { status: 428, body: { code: 'precondition_required' } })
  t.equal(await nameNow(), 'Ada Example')
})

t.test('a change of what has changed since is refused, and changes nothing (RFC 9110 13.1.1)', async (t) => {
  const { etag } = await admin.ask('GET', path)
  const changed = await rename('Ida', { 'if-match': etag })
  t.equal(changed.status, 200)
  for (const stale of [etag, '"x"', `W/${changed.etag}`, `"x", ${etag}`, `"${'x'.repeat(500)}"`])
    t.match(await rename('Eve', { 'if-match': stale }), { status: 412, body: { code: 'precondition_failed' } }, stale)
  t.equal(await nameNow(), 'Ida')
  t.equal((await rename('Ada', { 'if-match': `"x", ${changed.etag}` })).status, 200, 'one of several will do')
  const back = await admin.ask('GET', path)
  t.not(back.etag, changed.etag)
  t.equal((await rename('Ada', { 'if-match': '*' })).etag, back.etag, 'the same is the same')
})

t.test('of many changes that were decided on the same, one is made', async (t) => {
  const { etag } = await admin.ask('GET', path)
  const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => rename(`Ada ${i}`, { 'if-match': etag })))
  t.strictSame(answers.map(({ status }) => status).sort(), [200, ...Array(7).fill(412)])
  t.equal(await nameNow(), answers.find(({ status }) => status === 200)?.body.name)
})

t.test('an If-Match of another form is refused', async (t) => {
  for (const value of ['x', '"', '"a" "b"', 'w/"a"', '"é"', '"a",', 'x'.repeat(1001)])
    t.equal((await rename('Eve', { 'if-match': value })).status, 400, value)
})
