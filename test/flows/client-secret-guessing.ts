import t from 'tap'
import { makeClient } from '../fixtures/clients.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { basic, clientForm, postAtOnce } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { TRUST_PROXY: '127.0.0.1' } })
const client = await makeClient(server)

function ask(headers: Record<string, string>, of: Gatehouse = server) {
  return of.fetch('/oauth/introspect', { method: 'POST', body: new URLSearchParams({ token: 'unknown' }), headers })
}

t.test('who guesses secrets is slowed down, and the client is not (OAuth 2.1 2.4.1)', async (t) => {
  const victim = await makeClient(server)
  const from = (address: string, secret = victim.secret) =>
    ask({ ...basic({ id: victim.id, secret }), 'x-forwarded-for': address })
  let guesses = 0
  let answer = await from('203.0.113.1', 'guess')
  for (; answer.status === 401 && guesses < 1000; guesses += 1) answer = await from('203.0.113.1', 'guess')
  t.equal(answer.status, 429, `after ${guesses} wrong ones`)
  t.match(answer.headers.get('retry-after'), /^[1-9]\d*$/)
  t.equal((await from('203.0.113.1')).status, 429, 'the right one is not told from there then')
  const elsewhere = await server.fetch('/oauth/token', {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
    headers: { ...basic(victim), 'x-forwarded-for': '203.0.113.1' },
  })
  t.equal(elsewhere.status, 429, 'at no endpoint')
  t.equal((await from('198.51.100.7')).status, 200, 'the client itself, from another network, goes on')
  const neighbour = await ask({ ...basic(client), 'x-forwarded-for': '203.0.113.1' })
  t.equal(neighbour.status, 200, 'and so does another client from the same')
})

t.test('a client that is busy is not taken for a guesser', async (t) => {
  const busy = await makeClient(server)
  const answers = await postAtOnce([server], '/oauth/introspect', 100, clientForm(busy, { token: 'unknown' }))
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
})

t.test('addresses that nobody vouches for do not hide a guesser (RFC 9700 4.13)', async (t) => {
  const direct = await startGatehouse(t, { beside: server, env: { TRUST_PROXY: '' } })
  const statuses = new Set<number>()
  for (let i = 0; i < 60; i += 1) {
    const headers = { ...basic({ id: client.id, secret: 'guess' }), 'x-forwarded-for': `203.0.113.${i}` }
    statuses.add((await ask(headers, direct)).status)
  }
  t.same(statuses, new Set([401, 429]))
})
