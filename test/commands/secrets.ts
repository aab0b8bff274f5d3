import { randomBytes } from 'node:crypto'
import { decodeProtectedHeader } from 'jose'
import t from 'tap'
import { createApp } from '../../src/app.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { ask, makeAsker } from '../fixtures/backchannel.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient } from '../fixtures/clients.ts'
import { dumpDatabase } from '../fixtures/dump.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { makeMachineAdministrator } from '../fixtures/machine-administrator.ts'
import { startOddProvider } from '../fixtures/odd-provider.ts'
import { createOperator } from '../fixtures/operator.ts'
import { makePerson } from '../fixtures/people.ts'
import { clientPost, meStatus } from '../fixtures/wire.ts'

const old = randomBytes(32).toString('base64url')
const fresh = randomBytes(32).toString('base64url')
const before = await startGatehouse(t, { env: { SECRET_KEYS: old } })
const during = await startGatehouse(t, { beside: before, env: { SECRET_KEYS: `${fresh},${old}` } })
const operator = createOperator({ ...before.env, SECRET_KEYS: `${fresh},${old}` })

const client = await makeClient(before)
const person = await makePerson(before)
const { browser, redeem } = await authorize(before, client, person)
await redeem()
const asker = await makeAsker(before, {
  backchannelTokenDeliveryMode: 'ping',
  backchannelClientNotificationEndpoint: 'https://app.example/ping',
})
await ask(asker, person, { client_notification_token: 'a-token' })
const machine = await makeClient(before, { type: 'machine', scope: ['profile:read'] })

async function machineToken(at: Gatehouse): Promise<string> {
  const response = await clientPost(at, '/oauth/token', machine, { grant_type: 'client_credentials' })
  return ((await response.json()) as { access_token: string }).access_token
}

const token = await machineToken(before)
const provider = await startOddProvider(t, before, 'odd')
const leaving = new Browser(before)
const away = new URL((await leaving.goto('/upstreams/odd')).url)
provider.claims = { nonce: away.searchParams.get('nonce') }

const administrator = await makeMachineAdministrator(before)
const newAccount = { email: 'new@example.com', role: 'SERVICE' }
const keyed = { 'idempotency-key': 'k-1' }
const made = await administrator.ask('POST', '/accounts', newAccount, keyed)

/** Asks a server for a code with the browser's cookies, without a page; the error if there is none. */
async function asksSilently(at: Gatehouse): Promise<string> {
  const visit = new Browser(at)
  for (const [name, cookie] of browser.cookies) visit.cookies.set(name, cookie)
  const { url } = await authorizationRequest(client, { scope: 'openid', prompt: 'none' })
  const { searchParams } = new URL((await visit.goto(`${url.pathname}${url.search}`)).url)
  if (!searchParams.has('code')) return searchParams.get('error') ?? 'nothing'
  for (const [name, cookie] of visit.cookies) browser.cookies.set(name, cookie)
  return 'a code'
}

/** By which keys everything in the database is sealed that is. */
async function sealedUnder(): Promise<unknown[]> {
  const sealed = (await dumpDatabase(before.db)).match(/\beyJ[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+/g) ?? []
  t.ok(sealed.length >= 8, 'the signing keys at least')
  return [...new Set(sealed.map((jwe) => decodeProtectedHeader(jwe).kid))]
}

t.test('a server without the key that sealed does not start', async (t) => {
  const { config, storage } = before
  const starting = createApp({ config, storage, secretKeys: [Buffer.from(fresh, 'base64url')] })
  await t.rejects(starting, /no key of SECRET_KEYS opens/)
})

t.test(
  'secrets rotate seals everything under the first of SECRET_KEYS while servers run, and can be repeated',
  async (t) => {
    const [oldName, ...others] = await sealedUnder()
    t.strictSame(others, [])
    const events = await eventsOf(before.db, async () => {
      t.strictSame(await operator.run(t, ['secrets', 'rotate']), { resealed: 12, already: 0 })
      t.strictSame(await operator.run(t, ['secrets', 'rotate']), { resealed: 0, already: 12 })
    })
    const details = { signing_keys: 8, answers: 1, ping_notices: 1, upstreams: 1, upstream_attempts: 1 }
    t.match(events, [{ type: 'secrets.rotate', actorKind: 'operator', details }])
    t.equal(events.length, 1)
    const [freshName, ...more] = await sealedUnder()
    t.strictSame(more, [], 'nothing that is sealed was forgotten')
    t.not(freshName, oldName)

    for (const at of [before, during]) t.equal(await meStatus(at, token), 200)
    t.equal(made.status, 201)
    const again = await during.fetch('/api/admin/accounts', {
      method: 'POST',
      headers: { ...administrator.headers, ...keyed, 'content-type': 'application/json' },
      body: JSON.stringify(newAccount),
    })
    t.strictSame(await again.json(), made.body, 'an answer is given again')
    await operator.run(t, ['keys', 'rotate'])
    t.equal(await meStatus(during, await machineToken(during)), 200, 'a server with both goes on')
  },
)

t.test('the old key can be dropped then; what it had signed was signed anew meanwhile', async (t) => {
  const after = await startGatehouse(t, { beside: before, env: { SECRET_KEYS: fresh } })
  t.equal(await meStatus(after, token), 200)
  t.equal(await meStatus(during, await machineToken(after)), 200)

  const coming = new Browser(after)
  for (const [name, cookie] of leaving.cookies) coming.cookies.set(name, cookie)
  const back = `/upstreams/odd/callback?code=c&state=${away.searchParams.get('state')}`
  t.match((await coming.goto(back)).url, /create-account$/, 'a sign-in that was begun elsewhere meanwhile goes on')

  t.equal(await asksSilently(after), 'login_required', 'a cookie under the old key is none to it')
  t.equal(await asksSilently(before), 'a code')
  t.equal(await asksSilently(during), 'a code', 'but is to who has both')
  t.equal(await asksSilently(after), 'a code', 'which has signed it anew')
})
