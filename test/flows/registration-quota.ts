import t from 'tap'
import { clients } from '../../src/database/schema.ts'
import { REDIRECT_URI } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { createOperator } from '../fixtures/operator.ts'
import { bearer } from '../fixtures/people.ts'
import { postAtOnce, register } from '../fixtures/wire.ts'

const METADATA = { client_name: 'Meadow', redirect_uris: [REDIRECT_URI] }
const server = await startGatehouse(t)
const operator = createOperator(server.env)

t.test('an initial access token registers as many clients as it is for, also at once (RFC 7591 3, 5)', async (t) => {
  const servers =
    server.env.DATABASE_URL === undefined ? [server] : [server, await startGatehouse(t, { beside: server })]
  const command = ['clients', 'registration-token', '--clients', '3']
  const issued = await operator.run<{ initial_access_token: string; clients: number }>(t, command)
  t.equal(issued.clients, 3)
  const headers = bearer(issued.initial_access_token)
  const answers = await postAtOnce(servers, '/oauth/register', 12, { body: METADATA, headers })
  t.strictSame(answers.map(({ status }) => status).sort(), [...Array(3).fill(201), ...Array(9).fill(401)])
  for (const { status, body, headers } of answers) {
    if (status !== 401) continue
    t.match(body, { error: 'invalid_token' })
    t.match(headers['www-authenticate'], 'invalid_token', 'RFC 6750 3')
  }
  t.equal(await server.db.$count(clients), 3)

  const another = await operator.run<{ initial_access_token: string }>(t, ['clients', 'registration-token'])
  const more = await server.post('/oauth/register', METADATA, bearer(another.initial_access_token))
  t.equal(more.status, 201, 'another token is for others')
  for (const many of ['0', '10001', '1.5', 'many']) {
    const refused = await operator.refused(t, ['clients', 'registration-token', '--clients', many])
    t.match(refused, /--clients is a number from 1 to 10000/, many)
  }
})

t.test('a registration that is refused is not counted', async (t) => {
  const command = ['clients', 'registration-token', '--clients', '1']
  const { initial_access_token: token } = await operator.run<{ initial_access_token: string }>(t, command)
  const wrong = await server.post('/oauth/register', { ...METADATA, scope: 'admin:read' }, bearer(token))
  t.equal(wrong.status, 400)
  t.equal((await server.post('/oauth/register', METADATA, bearer(token))).status, 201)
})

t.test('there are as many clients that registered themselves as the operator takes (RFC 7591 5)', async (t) => {
  const small = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open', DYNAMIC_CLIENTS_MAX: '2' } })
  for (let i = 0; i < 2; i += 1) t.equal((await register(small, METADATA)).status, 201)
  const refused = await register(small, METADATA)
  t.equal(refused.status, 503)
  t.match(refused.headers.get('retry-after'), /^\d+$/)
  t.match(await refused.json(), { error: 'temporarily_unavailable' })
  const hours = (passed: number) => new Date(Date.now() - passed * 60 * 60 * 1000)
  await small.db.update(clients).set({ createdAt: hours(2), usedAt: hours(1) })
  t.equal((await register(small, METADATA)).status, 503, 'whom somebody uses stays')
  await small.db.update(clients).set({ usedAt: null })
  t.equal((await register(small, METADATA)).status, 201, 'who was never used makes room')
  t.equal(await small.db.$count(clients), 2)
  await small.db.update(clients).set({ createdAt: hours(0) })
  t.equal((await register(small, METADATA)).status, 503, 'but has an hour')

  const web = ['clients', 'create', '--name', 'App', '--type', 'web', '--redirect-uri', REDIRECT_URI]
  await createOperator(small.env).run(t, web)
  t.equal(await small.db.$count(clients), 3, 'the operator’s own are not counted')
})

t.test('nobody is trusted to vouch for software (RFC 7591 3.2.2)', async (t) => {
  const open = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const statement = `${part({ alg: 'RS256' })}.${part({ software_id: 'meadow', ...METADATA })}.c2lnbmF0dXJl`
  for (const [software_statement, error] of [
    [statement, 'unapproved_software_statement'],
    ['meadow', 'invalid_software_statement'],
    [{ software_id: 'meadow' }, 'invalid_software_statement'],
    [null, 'invalid_software_statement'],
  ] as const) {
    const response = await register(open, { ...METADATA, software_statement })
    t.equal(response.status, 400)
    t.match(await response.json(), { error })
  }
  t.equal(await open.db.$count(clients), 0)
})
