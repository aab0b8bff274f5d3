import { randomUUID } from 'node:crypto'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { setDisabled } from '../../src/accounts/change-account.ts'
import { createClient } from '../../src/clients/clients.ts'
import { CIBA } from '../../src/clients/grant-types.ts'
import { auditEvents } from '../../src/database/schema.ts'
import { ask, askOnWire, atRequests, listed, makeAsker, pollOnce } from '../fixtures/backchannel.ts'
import { makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const client = await makeAsker(server)
const nobody = () => `${randomUUID()}@example.com`

t.test('the audit tells who asked whom, and names nobody who is not there (ASVS V16.3)', async (t) => {
  const person = await makePerson(server)
  const asker = await makeAsker(server)
  await ask(asker, person)
  await askOnWire(server, asker, { login_hint: nobody() })
  await askOnWire(server, asker, { login_hint: person.email, binding_message: '<b>' })
  const events = await server.db.select().from(auditEvents).where(eq(auditEvents.clientId, asker.id))
  const requests = events.filter(({ type }) => type === 'backchannel_authentication.request')
  t.match(requests, [
    { outcome: 'success', subjectKind: 'account', subjectId: person.id },
    { outcome: 'success', subjectId: null },
    { outcome: 'failure', details: { reason: 'invalid_binding_message' } },
  ])
})

t.test('who may not, and what is wrong, is refused (CIBA 7.1, 7.2, 13)', async (t) => {
  const { email: login_hint } = await makePerson(server)
  const refused = async (parameters: Record<string, string>, error: string, by = client, status = 400) =>
    t.match(await askOnWire(server, by, parameters), { status, error }, `${error} ${JSON.stringify(parameters)}`)
  await refused({ login_hint }, 'unauthorized_client', await makeClient(server))
  await refused({ login_hint }, 'invalid_client', { ...client, secret: 'wrong' }, 401)
  await refused({ login_hint }, 'invalid_client', { ...client, id: 'client_unknown' }, 401)
  await refused({ login_hint }, 'invalid_client', { ...client, secret: undefined }, 401)
  await refused({}, 'invalid_request')
  await refused({ login_hint, id_token_hint: 'x' }, 'invalid_request')
  await refused({ login_hint, login_hint_token: 'x' }, 'invalid_request')
  await refused({ login_hint_token: 'x' }, 'invalid_request')
  for (const hint of ['ada', 'a b@example.com', `${'a'.repeat(300)}@example.com`, 'a\0@example.com'])
    await refused({ login_hint: hint }, 'invalid_request')
  await refused({ login_hint, user_code: '1234' }, 'invalid_request')
  await refused({ login_hint, request_uri: 'https://app.example/r' }, 'request_uri_not_supported')
  for (const scope of ['', 'profile:read']) await refused({ login_hint, scope }, 'invalid_request')
  await refused({ login_hint, scope: 'openid nothing' }, 'invalid_scope')
  await refused({ login_hint, scope: 'openid admin:read' }, 'invalid_scope')
  await refused({ login_hint, resource: 'https://nowhere.example' }, 'invalid_target')
  await refused({ login_hint, max_age: '-1' }, 'invalid_request')
  for (const message of ['ä', '<b>', 'a\nb', ' a', 'a ', 'a'.repeat(65), 'a\u202eb', '"', 'a\0'])
    await refused({ login_hint, binding_message: message }, 'invalid_binding_message')
})

t.test('it is for clients that keep a secret, and that the operator has given it (CIBA 4)', async (t) => {
  const input = { name: 'A', redirectUris: [], grantTypes: [CIBA] }
  const endpoint = 'https://app.example/ping'
  const wrong = {
    'a public client': { type: 'spa' },
    'a native one': { type: 'native' },
    'a machine': { type: 'machine' },
    'ping without an endpoint': { backchannelTokenDeliveryMode: 'ping' },
    'poll with one': { backchannelTokenDeliveryMode: 'poll', backchannelClientNotificationEndpoint: endpoint },
    'an endpoint by http': {
      backchannelTokenDeliveryMode: 'ping',
      backchannelClientNotificationEndpoint: 'http://127.0.0.1/ping',
    },
    'a mode without the grant type': {
      grantTypes: [],
      redirectUris: ['https://app.example/callback'],
      backchannelTokenDeliveryMode: 'poll',
    },
  } as const
  for (const [name, more] of Object.entries(wrong))
    await t.rejects(
      createClient(server.db, { type: 'web', ...input, ...more } as never),
      { status: 400 } as never,
      name,
    )

  const metadata = {
    grant_types: [CIBA],
    redirect_uris: [],
    response_types: [],
    backchannel_token_delivery_mode: 'poll',
  }
  const registered = await register(server, metadata)
  t.equal(registered.status, 400)
  t.match(await registered.json(), { error: 'invalid_client_metadata' })
  const ours = await register(server, { redirect_uris: ['https://app.example/cb'], tells_unknown_users: true })
  t.equal(ours.status, 400)
})

t.test('a client does not learn which e-mail has an account (CIBA 13 unknown_user_id, ASVS V6.3.8)', async (t) => {
  const person = await makePerson(server)
  const disabled = await makePerson(server)
  await setDisabled(server.db, disabled.id, true, new Date())
  const answers = []
  for (const login_hint of [person.email, nobody(), disabled.email]) {
    const { headers, auth_req_id = '', ...answer } = await askOnWire(server, client, { login_hint })
    const { status, error } = await pollOnce(server, client, auth_req_id)
    const names = [...headers.keys()].filter((name) => name !== 'date').sort()
    answers.push({ ...answer, status, error, names, length: auth_req_id.length })
  }
  const [known, ...unknown] = answers
  t.match(known, { error: 'authorization_pending' })
  for (const each of unknown) t.strictSame(each, known)
  t.strictSame(listed((await atRequests(server, person)).page).length, 1)

  const trusted = await makeAsker(server, { tellsUnknownUsers: true })
  for (const login_hint of [nobody(), disabled.email])
    t.match(await askOnWire(server, trusted, { login_hint }), { status: 400, error: 'unknown_user_id' })
  t.match(await askOnWire(server, trusted, { login_hint: ` ${person.email.toUpperCase()}`.trim() }), { status: 200 })
})

t.test('nobody is buried in requests, nor kept from those of others (CIBA 14)', async (t) => {
  const person = await makePerson(server)
  const askers = await Promise.all(Array.from({ length: 4 }, () => makeAsker(server)))
  for (const login_hint of [person.email, nobody()]) {
    const each = await Promise.all(
      askers.flatMap((asker) => Array.from({ length: 5 }, () => askOnWire(server, asker, { login_hint }))),
    )
    const taken = each.filter(({ status }) => status === 200)
    t.equal(taken.length, 10, 'ten at a time, of those that come at once too')
    const refused = each.filter(({ status }) => status !== 200)
    t.ok(refused.every(({ status, error }) => status === 429 && error === 'slow_down'))
    t.match(refused[0]?.headers.get('retry-after'), /^[1-9]\d*$/)
  }
  const { browser, page } = await atRequests(server, person)
  const open = listed(page)
  t.equal(open.length, 10)
  const [first = ''] = open
  const request = await browser.goto(first)
  await browser.submit(request, request.form('/deny'))
  const another = await makeAsker(server)
  t.match(await askOnWire(server, another, { login_hint: person.email }), { status: 200 }, 'one was answered')
})

t.test('a client has three open requests of a person, and thirty in an hour', async (t) => {
  const person = await makePerson(server)
  const { browser } = await atRequests(server, person)
  for (let time = 0; time < 3; time += 1) await ask(client, person)
  t.match(await askOnWire(server, client, { login_hint: person.email }), { status: 429, error: 'slow_down' })
  const answerAll = async () => {
    for (const path of listed(await browser.goto('/requests'))) {
      const page = await browser.goto(path)
      await browser.submit(page, page.form('/deny'))
    }
  }
  await answerAll()
  // The refused one was counted too.
  for (let time = 4; time < 30; time += 1) {
    await ask(client, person)
    await answerAll()
  }
  t.match(await askOnWire(server, client, { login_hint: person.email }), { status: 429, error: 'slow_down' })
  const other = await makePerson(server)
  t.match(await askOnWire(server, client, { login_hint: other.email }), { status: 200 }, 'of others it may ask')
})
