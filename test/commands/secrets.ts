import { randomBytes } from 'node:crypto'
import { decodeProtectedHeader } from 'jose'
import t from 'tap'
import { createApp } from '../../src/app.ts'
import { eventsOf } from '../fixtures/audit.ts'
import { Browser } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient } from '../fixtures/clients.ts'
import { dumpDatabase } from '../fixtures/dump.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
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
const machine = await makeClient(before, { type: 'machine', scope: ['profile:read'] })

async function machineToken(at: Gatehouse): Promise<string> {
  const response = await clientPost(at, '/oauth/token', machine, { grant_type: 'client_credentials' })
  return ((await response.json()) as { access_token: string }).access_token
}

const token = await machineToken(before)

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
      t.strictSame(await operator.run(t, ['secrets', 'rotate']), { resealed: 8, already: 0 })
      t.strictSame(await operator.run(t, ['secrets', 'rotate']), { resealed: 0, already: 8 })
    })
    t.match(events, [{ type: 'secrets.rotate', actorKind: 'operator', details: { signing_keys: 8 } }])
    t.equal(events.length, 1)
    const [freshName, ...more] = await sealedUnder()
    t.strictSame(more, [], 'nothing that is sealed was forgotten')
    t.not(freshName, oldName)

    for (const at of [before, during]) t.equal(await meStatus(at, token), 200)
    await operator.run(t, ['keys', 'rotate'])
    t.equal(await meStatus(during, await machineToken(during)), 200, 'a server with both goes on')
  },
)

t.test('the old key can be dropped then; what it had signed was signed anew meanwhile', async (t) => {
  const after = await startGatehouse(t, { beside: before, env: { SECRET_KEYS: fresh } })
  t.equal(await meStatus(after, token), 200)
  t.equal(await meStatus(during, await machineToken(after)), 200)

  t.equal(await asksSilently(after), 'login_required', 'a cookie under the old key is none to it')
  t.equal(await asksSilently(before), 'a code')
  t.equal(await asksSilently(during), 'a code', 'but is to who has both')
  t.equal(await asksSilently(after), 'a code', 'which has signed it anew')
})
