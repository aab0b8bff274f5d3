import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { makeApiKey } from '../../src/secrets/api-key.ts'
import { makeOpaqueToken } from '../../src/secrets/opaque-token.ts'
import { makeClient, REDIRECT_URI } from '../fixtures/clients.ts'
import { type Gatehouse } from '../fixtures/gatehouse.ts'
import { from, startSharing } from '../fixtures/guessing.ts'
import { bearer, makeKey, makePerson, PASSWORD, signIn } from '../fixtures/people.ts'
import { countQueries } from '../fixtures/queries.ts'
import { basic } from '../fixtures/wire.ts'

const [server, beside] = await startSharing(t)
const other = (i: number): Gatehouse => (i % 2 === 0 ? server : beside)

interface Limited {
  /** How many are answered otherwise. */
  readonly most: number
  readonly status: number
  readonly code: string
  send(server: Gatehouse, address: string): Promise<Response>
}

/** Sends, by two processes in turn, as many as there may be and some more. */
async function isLimited(t: Test, { most, status, code, send }: Limited, address: string) {
  for (let i = 0; i < most; i += 10) {
    const batch = Array.from({ length: 10 }, (_, each) => send(other(each), address))
    t.strictSame([...new Set((await Promise.all(batch)).map((response) => response.status))], [status])
  }
  for (const each of [server, beside]) {
    const refused = await send(each, address)
    t.equal(refused.status, 429)
    t.match(refused.headers.get('retry-after'), /^[1-9]\d*$/, 'RFC 6585 4')
    t.match(JSON.parse(await refused.text()), refused.url.includes('/oauth/') ? { error: code } : { code })
  }
  t.equal((await send(server, '198.51.100.200')).status, status, 'another network is not concerned')
}

const form = (parameters: Record<string, string>, headers: Record<string, string>) => ({
  method: 'POST',
  body: new URLSearchParams(parameters),
  headers,
})

t.test('accounts that a network makes', (t) =>
  isLimited(
    t,
    {
      most: 300,
      status: 400,
      code: 'too_many_attempts',
      send: (each, address) =>
        each.post('/api/auth/register', { email: 'a@example.com', password: 'aaaaaaaa' }, from(address)),
    },
    '192.0.2.20',
  ),
)

t.test('dynamic registrations (RFC 7591 5)', (t) =>
  isLimited(
    t,
    {
      most: 300,
      status: 201,
      code: 'slow_down',
      send: (each, address) => each.post('/oauth/register', { redirect_uris: [REDIRECT_URI] }, from(address)),
    },
    '192.0.2.21',
  ),
)

t.test('one-time links that are not good', (t) =>
  isLimited(
    t,
    {
      most: 20,
      status: 400,
      code: 'too_many_attempts',
      send: (each, address) => each.fetch(`/setup?token=${makeOpaqueToken()}`, { headers: from(address) }),
    },
    '192.0.2.22',
  ),
)

t.test('the form of a one-time link counts with its page', async (t) => {
  const headers = { ...from('192.0.2.23'), accept: 'application/json' }
  const parameters = () => ({ token: makeOpaqueToken(), email: `${randomUUID()}@example.com`, password: PASSWORD })
  const statuses: number[] = []
  for (let i = 0; i < 21; i += 1) statuses.push((await server.fetch('/setup', form(parameters(), headers))).status)
  t.equal(statuses.indexOf(429), 20)
})

t.test('API keys that an account makes', async (t) => {
  const person = await makePerson(server)
  const headers = bearer((await signIn(server, person)).accessToken)
  const generate = (each: Gatehouse) => each.post('/api/auth/apikey/generate', { name: 'one more' }, headers)
  const made = await Promise.all(Array.from({ length: 200 }, (_, i) => generate(other(i))))
  t.ok(made.every(({ status }) => status === 201))
  const refused = await generate(beside)
  t.equal(refused.status, 429)
  t.match(refused.headers.get('retry-after'), /^[1-9]\d*$/)
  const { keys } = (await (await server.fetch('/api/keys', { headers })).json()) as { keys: { id: string }[] }
  t.equal((await server.post(`/api/keys/${keys[0]?.id}/rotate`, {}, headers)).status, 429, 'rotation makes one too')
  t.ok(await makeKey(server, await makePerson(server)), 'another account is not concerned')
})

t.test('client secrets are counted over processes, and success causes no query (OAuth 2.1 2.4.1)', async (t) => {
  const client = await makeClient(server, { type: 'machine' })
  const ask = (each: Gatehouse, secret: string | undefined, address: string) =>
    each.fetch('/oauth/introspect', form({ token: 'x' }, { ...basic({ id: client.id, secret }), ...from(address) }))
  const statuses: number[] = []
  for (let i = 0; i < 32; i += 1) statuses.push((await ask(other(i), 'guess', '192.0.2.24')).status)
  t.equal(statuses.indexOf(429), 30)
  for (const each of [server, beside]) t.equal((await ask(each, client.secret, '192.0.2.24')).status, 429)
  t.equal((await ask(beside, client.secret, '192.0.2.25')).status, 200)
  const counting = await countQueries(server, () => ask(server, client.secret, '192.0.2.25'), /"attempts"/)
  t.equal(counting, 0)
})

t.test('random values that nobody was given, in every place that takes them', async (t) => {
  const machine = await makeClient(server, { type: 'spa' })
  const token = { client_id: machine.id, grant_type: 'refresh_token' }
  const sends: Record<string, (address: string) => Promise<Response>> = {
    'an API key': (address) =>
      server.fetch('/api/me', { headers: { 'x-api-key': makeApiKey('gk_live_'), ...from(address) } }),
    'an access token': (address) =>
      server.fetch('/api/me', { headers: { ...bearer(makeOpaqueToken()), ...from(address) } }),
    'a session': (address) => server.post('/api/auth/refresh', { refreshToken: makeOpaqueToken() }, from(address)),
    'a refresh token': (address) =>
      server.fetch('/oauth/token', form({ ...token, refresh_token: makeOpaqueToken() }, from(address))),
    'a client': (address) => server.fetch('/oauth/token', form({ ...token, client_id: randomUUID() }, from(address))),
  }
  const { apiKey } = await makeKey(server, await makePerson(server))
  const spray = sends['an API key'] as (address: string) => Promise<Response>
  const statuses = new Set<number>()
  for (let i = 0; i < 30; i += 1) {
    for (const { status } of await Promise.all(Array.from({ length: 100 }, () => spray('192.0.2.26'))))
      statuses.add(status)
  }
  t.strictSame([...statuses], [401], 'three thousand in a minute are told so')
  for (const [what, send] of Object.entries(sends)) {
    const refused = await send('192.0.2.26')
    t.equal(refused.status, 429, what)
    t.match(refused.headers.get('retry-after'), /^[1-9]\d*$/)
    t.not((await send('192.0.2.27')).status, 429, 'another network is not concerned')
  }
  const good = { 'x-api-key': apiKey, ...from('192.0.2.26') }
  t.equal(
    (await server.fetch('/api/me', { headers: good })).status,
    200,
    'nor is who has a good one, seen for the first time',
  )
})
