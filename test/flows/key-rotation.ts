import { sql } from 'drizzle-orm'
import { decodeProtectedHeader } from 'jose'
import t, { type Test } from 'tap'
import { followSchedule } from '../../src/keys/rotation.ts'
import { createSchedule, isCurrent, isNext, isRetired, type KeyStates } from '../../src/keys/schedule.ts'
import { listSigningKeys } from '../../src/keys/signing-keys.ts'
import { createSealer } from '../../src/secrets/sealed.ts'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { signAs } from '../fixtures/keys.ts'
import { makePerson, type Person, signIn } from '../fixtures/people.ts'
import { clientPost, meStatus, withQuery } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)
const DAY_S = 24 * 60 * 60

async function jwks(at: Gatehouse): Promise<{ kids: string[]; maxAge: number }> {
  const response = await at.fetch('/oauth/jwks')
  const { keys } = (await response.json()) as { keys: { kid: string }[] }
  const [, maxAge] = /^public, max-age=(\d+)$/.exec(response.headers.get('cache-control') ?? '') ?? []
  return { kids: keys.map(({ kid }) => kid).toSorted(), maxAge: Number(maxAge) }
}

const kids = (keys: readonly KeyStates[], is: (key: KeyStates) => boolean) =>
  keys
    .filter((key) => key.purpose === 'authorization_server' && is(key))
    .map(({ kid }) => kid)
    .toSorted()

/** Lets days pass for the signing keys. */
async function pass(days: number, at = server): Promise<void> {
  const interval = sql`make_interval(secs => ${days * DAY_S}::float8)`
  await at.db.execute(sql`
    update signing_keys set created_at = created_at - ${interval}, activated_at = activated_at - ${interval},
      retired_at = retired_at - ${interval}`)
}

/** A process that starts looks at once whether something is due; waits until the first one has heard. */
async function startBeside(t: Test): Promise<Gatehouse> {
  const before = await listSigningKeys(server.db)
  const beside = await startGatehouse(t, { beside: server })
  await eventually(
    () => listSigningKeys(server.db),
    (keys) => JSON.stringify(keys) !== JSON.stringify(before),
  )
  const there = (await jwks(beside)).kids
  await eventually(
    async () => (await jwks(server)).kids,
    (kids) => JSON.stringify(kids) === JSON.stringify(there),
  )
  return beside
}

const machine = await makeClient(server, { type: 'machine', scope: ['profile:read'] })

async function machineToken(at: Gatehouse): Promise<string> {
  const response = await clientPost(at, '/oauth/token', machine, { grant_type: 'client_credentials' })
  return ((await response.json()) as { access_token: string }).access_token
}

const signerOf = async (at: Gatehouse) => decodeProtectedHeader(await machineToken(at)).kid ?? ''
const firstPartySignerOf = async (at: Gatehouse, who: Person) =>
  decodeProtectedHeader((await signIn(at, who)).accessToken).kid

t.test('a key is in the JWKS before it signs, for longer than anybody keeps the JWKS', async (t) => {
  const keys = await listSigningKeys(server.db)
  const { kids: published, maxAge } = await jwks(server)
  t.strictSame(published, [...kids(keys, isCurrent), ...kids(keys, isNext)].toSorted())
  t.ok(maxAge > 0 && maxAge < 7 * DAY_S, `max-age=${maxAge}`)
  t.ok(kids(keys, isCurrent).includes(await signerOf(server)))
})

t.test('after 30 days the next key signs in every process, without a restart or a gap', async (t) => {
  await pass(29)
  const before = await listSigningKeys(server.db)
  const [old, firstParty] = [await machineToken(server), (await signIn(server, person)).accessToken]
  const early = await startBeside(t)
  t.strictSame(await listSigningKeys(server.db), before, 'nothing was due yet')

  await pass(1)
  const late = await startBeside(t)
  const after = await listSigningKeys(server.db)
  t.strictSame(kids(after, isCurrent), kids(before, isNext), 'those that sign were published for 30 days')
  t.strictSame(kids(after, isRetired), kids(before, isCurrent))
  for (const at of [server, early, late]) {
    t.ok(
      kids(after, isCurrent).includes(
        await eventually(
          () => signerOf(at),
          (kid) => kids(after, isCurrent).includes(kid),
        ),
      ),
    )
    t.strictSame((await jwks(at)).kids, kids(after, () => true).toSorted(), 'all are published')
    t.equal(await meStatus(at, old), 200, 'what a retired key signed is good until it expires')
    t.equal(await meStatus(at, firstParty), 200)
  }
  const current = after.find((key) => key.purpose === 'first_party' && isCurrent(key))?.kid
  for (const at of [server, early, late]) t.equal(await firstPartySignerOf(at, person), current)
})

t.test('a key that was not published for 7 days does not sign', async (t) => {
  await pass(31)
  await server.db.execute(
    sql`update signing_keys set created_at = now() - interval '6 days' where activated_at is null`,
  )
  const before = await listSigningKeys(server.db)
  await startBeside(t)
  const after = await listSigningKeys(server.db)
  t.strictSame(kids(after, isCurrent), kids(before, isCurrent))
  await pass(1)
  await startBeside(t)
  t.strictSame(kids(await listSigningKeys(server.db), isCurrent), kids(before, isNext))
})

t.test('a retired key goes when nothing it signed is of use; then it is refused everywhere', async (t) => {
  const client = await makeClient(server, { type: 'web' })
  const { redeem, browser } = await authorize(server, client, person)
  const { access_token: accessToken, id_token: hint = '' } = await redeem()
  const claims = { ...JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString()) }
  const forever = { ...claims, exp: claims.exp + 365 * DAY_S }
  const kept = await signAs(server, { ...forever, jti: 'kept'.repeat(6) }, { typ: 'at+jwt' })
  const retired = kids(await listSigningKeys(server.db), isCurrent)
  const signOut = () => browser.goto(withQuery('/oauth/logout', { id_token_hint: hint }))

  await pass(30)
  await startBeside(t)
  t.equal(await meStatus(server, kept), 200)
  t.match(await (await clientPost(server, '/oauth/introspect', client, { token: kept })).json(), { active: true })

  await pass(13.9)
  await startBeside(t)
  t.equal(await meStatus(server, kept), 200)
  t.equal((await signOut()).status, 200, 'an ID token of before serves to sign out (RP-Initiated Logout 4)')

  await pass(0.2)
  const beside = await startBeside(t)
  const published = (await jwks(server)).kids
  for (const kid of retired) t.notOk(published.includes(kid))
  const unseen = await signAs(server, { ...forever, jti: 'seen'.repeat(6) }, { typ: 'at+jwt' })
  t.equal(await meStatus(server, unseen), 200, 'by a key that is there it would be good')
  for (const at of [server, beside]) {
    t.equal(
      await eventually(
        () => meStatus(at, kept),
        (status) => status === 401,
      ),
      401,
    )
    t.equal(await meStatus(at, accessToken), 401)
  }
  t.strictSame(await (await clientPost(server, '/oauth/introspect', client, { token: kept })).json(), { active: false })
})

t.test('the keys of the audit stay for as long as what they signed', async (t) => {
  const keys = (await listSigningKeys(server.db)).filter(({ purpose }) => purpose === 'audit')
  t.ok(keys.filter(isRetired).length >= 1, 'the one that signed today, which seems long ago to it')
})

t.test('many processes that find a rotation due do it once', async (t) => {
  await pass(31)
  const before = await listSigningKeys(server.db)
  const sealer = createSealer(server.config.secretKeys ?? [])
  const schedule = createSchedule(30, { authorization_server: 600, first_party: 300 })
  const follow = () => followSchedule(server.db, sealer, schedule, new Date())
  await Promise.all([startBeside(t), startBeside(t), follow(), follow(), follow()])
  const after = await listSigningKeys(server.db)
  t.strictSame(kids(after, isCurrent), kids(before, isNext))
  t.equal(kids(after, isNext).length, 2)
  t.equal(await meStatus(server, await machineToken(server)), 200)
})

t.test('a server that runs does what is due by itself', async (t) => {
  const own = await startGatehouse(t, { env: { KEY_ROTATION_DAYS: '0.002' } })
  const before = await listSigningKeys(own.db)
  await pass(0.002, own)
  const after = await eventually(
    () => listSigningKeys(own.db),
    (keys) => keys.some(isRetired),
    10_000,
  )
  t.strictSame(kids(after, isCurrent), kids(before, isNext))
  const published = await eventually(
    async () => (await jwks(own)).kids,
    ({ length }) => length === 6,
  )
  t.strictSame(
    published,
    kids(after, () => true),
  )
})
