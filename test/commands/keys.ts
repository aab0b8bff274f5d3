import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import t from 'tap'
import { makeClient } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { signAs } from '../fixtures/keys.ts'
import { createOperator } from '../fixtures/operator.ts'
import { makePerson, signIn } from '../fixtures/people.ts'
import { clientPost, meStatus } from '../fixtures/wire.ts'

interface ListedKey {
  readonly kid: string
  readonly purpose: string
  readonly alg: string
  readonly state: 'next' | 'current' | 'retired'
  readonly created_at: string
  readonly activated_at: string | null
  readonly retired_at: string | null
}

interface Rotated {
  readonly signing: readonly Pick<ListedKey, 'kid' | 'purpose' | 'alg'>[]
  readonly next: readonly Pick<ListedKey, 'kid'>[]
  readonly retired: readonly Pick<ListedKey, 'purpose'>[]
  readonly caution: string
}

const server = await startGatehouse(t)
const beside = await startGatehouse(t, { beside: server })
const operator = createOperator(server.env)
const person = await makePerson(server)
const machine = await makeClient(server, { type: 'machine', scope: ['profile:read'] })

async function accessToken(): Promise<string> {
  const response = await clientPost(server, '/oauth/token', machine, {
    grant_type: 'client_credentials',
    scope: 'profile:read',
  })
  return ((await response.json()) as { access_token: string }).access_token
}

async function publishedKids(): Promise<string[]> {
  const { keys } = (await (await server.fetch('/oauth/jwks')).json()) as { keys: { kid: string }[] }
  return keys.map(({ kid }) => kid)
}

/** Looks until the running server has taken up other keys. */
async function publishedOtherThan(before: readonly string[]): Promise<string[]> {
  for (let tries = 0; tries < 150; tries += 1) {
    const kids = await publishedKids()
    if (kids.some((kid) => !before.includes(kid))) return kids
    await delay(100)
  }
  throw new Error('the server did not take up the new keys')
}

const kidOf = (token: string) => decodeProtectedHeader(token).kid
/** The claims of a JWT as a new one would have them. */
const claimsOf = (token: string) => ({ ...decodeJwt(token), jti: randomUUID() })

t.test('keys list tells the keys of each purpose, and no private part', async (t) => {
  const { keys, ...rest } = await operator.run<{ keys: ListedKey[] }>(t, ['keys', 'list'])
  t.strictSame(rest, {})
  for (const state of ['current', 'next']) {
    const own = keys.filter((key) => key.state === state)
    t.strictSame(own.map(({ purpose, alg }) => `${purpose} ${alg}`).toSorted(), [
      'audit ES256',
      'authorization_server ES256',
      'authorization_server RS256',
      'first_party ES256',
    ])
  }
  for (const key of keys) {
    t.strictSame(Object.keys(key).toSorted(), [
      ...['activated_at', 'alg', 'created_at', 'kid', 'purpose', 'retired_at', 'state'],
    ])
    t.strictSame([key.retired_at, key.activated_at], [null, key.state === 'next' ? null : key.created_at])
    t.equal(new Date(key.created_at).toISOString(), key.created_at)
  }
  const ours = keys.filter(({ purpose }) => purpose === 'authorization_server')
  t.strictSame((await publishedKids()).toSorted(), ours.map(({ kid }) => kid).toSorted(), 'only ours are in the JWKS')
})

t.test('keys rotate has the next keys sign, without a restart, and what the old ones signed stays good', async (t) => {
  const before = await publishedKids()
  const old = { access: await accessToken(), firstParty: (await signIn(server, person)).accessToken }

  const { signing, next, caution } = await operator.run<Rotated>(t, ['keys', 'rotate'])
  t.strictSame([signing.length, next.length], [4, 4])
  t.match(caution, /may not know those that sign before 20/, 'they were published a moment ago')
  const signs = (purpose: string) => signing.find((key) => key.purpose === purpose && key.alg === 'ES256')?.kid

  const after = await publishedOtherThan(before)
  for (const kid of before) t.ok(after.includes(kid), 'the old ones are still published')
  t.ok(before.includes(signs('authorization_server') ?? ''), 'those that sign were published before')
  t.equal(await meStatus(server, old.access), 200)
  t.equal(await meStatus(server, old.firstParty), 200)

  const fresh = { access: await accessToken(), firstParty: (await signIn(server, person)).accessToken }
  t.equal(kidOf(fresh.access), signs('authorization_server'))
  t.equal(kidOf(fresh.firstParty), signs('first_party'))
  t.not(kidOf(fresh.access), kidOf(old.access))
  t.not(kidOf(fresh.firstParty), kidOf(old.firstParty))
  t.equal(await meStatus(server, fresh.access), 200)
  t.equal(await meStatus(server, fresh.firstParty), 200)

  const { keys } = await operator.run<{ keys: ListedKey[] }>(t, ['keys', 'list'])
  const kids = (keys: readonly { kid: string }[]) => keys.map(({ kid }) => kid).toSorted()
  t.strictSame(kids(keys.filter(({ state }) => state === 'current')), kids(signing))
  t.strictSame(kids(keys.filter(({ state }) => state === 'next')), kids(next))
  t.equal(keys.length, 12)
})

t.test('introspection knows tokens from before a rotation (RFC 7662)', async (t) => {
  const before = await publishedKids()
  const token = await accessToken()
  await operator.run(t, ['keys', 'rotate'])
  await publishedOtherThan(before)
  const response = await clientPost(server, '/oauth/introspect', machine, { token })
  t.match(await response.json(), { active: true, client_id: machine.id })
})

t.test(
  'keys rotate --compromised: what any key signed is refused at once, everywhere; people stay signed in',
  async (t) => {
    const session = await signIn(server, person)
    const jwts = [await accessToken(), session.accessToken]
    const forged = [
      await signAs(server, claimsOf(jwts[0] ?? ''), { typ: 'at+jwt' }),
      await signAs(server, claimsOf(session.accessToken), { typ: 'first-party+jwt' }, 'first_party'),
    ]
    for (const at of [server, beside]) for (const token of [...jwts, ...forged]) t.equal(await meStatus(at, token), 200)
    const before = await publishedKids()

    const { signing, retired } = await operator.run<Rotated>(t, ['keys', 'rotate', '--compromised'])
    t.notOk(
      signing.some(({ kid }) => before.includes(kid)),
      'nor do the ones that were next sign',
    )
    t.strictSame([...new Set(retired.map(({ purpose }) => purpose))], ['audit'], 'which verify the days they signed')
    for (const at of [server, beside]) {
      for (const token of [...jwts, ...forged]) {
        t.equal(
          await eventually(
            () => meStatus(at, token),
            (status) => status === 401,
          ),
          401,
        )
      }
    }
    const introspected = await clientPost(server, '/oauth/introspect', machine, { token: jwts[0] ?? '' })
    t.strictSame(await introspected.json(), { active: false })
    t.notOk(
      (await publishedKids()).some((kid) => before.includes(kid)),
      'the old ones are not published any more',
    )

    const refreshed = await server.post('/api/auth/refresh', { refreshToken: session.refreshToken })
    const { accessToken: firstParty } = (await refreshed.json()) as { accessToken: string }
    for (const token of [firstParty, await accessToken()]) t.equal(await meStatus(beside, token), 200)
    t.match(await operator.run(t, ['audit', 'verify']), { ok: true })
  },
)
