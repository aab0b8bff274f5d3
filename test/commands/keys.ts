import { setTimeout as delay } from 'node:timers/promises'
import { decodeProtectedHeader } from 'jose'
import t from 'tap'
import { makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { createOperator } from '../fixtures/operator.ts'
import { makePerson, signIn } from '../fixtures/people.ts'
import { clientPost, meStatus } from '../fixtures/wire.ts'

interface ListedKey {
  readonly kid: string
  readonly purpose: string
  readonly alg: string
  readonly created_at: string
  readonly retired_at: string | null
}

const server = await startGatehouse(t)
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

t.test('keys list tells the keys of each purpose, and no private part', async (t) => {
  const { keys, ...rest } = await operator.run<{ keys: ListedKey[] }>(t, ['keys', 'list'])
  t.strictSame(rest, {})
  t.strictSame(keys.map(({ purpose, alg }) => `${purpose} ${alg}`).toSorted(), [
    'audit ES256',
    'authorization_server ES256',
    'authorization_server RS256',
    'first_party ES256',
  ])
  for (const key of keys) {
    t.strictSame(Object.keys(key).toSorted(), ['alg', 'created_at', 'kid', 'purpose', 'retired_at'])
    t.equal(key.retired_at, null)
    t.equal(new Date(key.created_at).toISOString(), key.created_at)
  }
  const ours = keys.filter(({ purpose }) => purpose === 'authorization_server')
  t.strictSame((await publishedKids()).toSorted(), ours.map(({ kid }) => kid).toSorted(), 'only ours are in the JWKS')
})

t.test('keys rotate changes the keys of a running server, and what the old ones signed stays good', async (t) => {
  const before = await publishedKids()
  const old = { access: await accessToken(), firstParty: (await signIn(server, person)).accessToken }

  const { signing } = await operator.run<{ signing: Omit<ListedKey, 'created_at'>[] }>(t, ['keys', 'rotate'])
  t.equal(signing.length, 4)
  const signs = (purpose: string) => signing.find((key) => key.purpose === purpose && key.alg === 'ES256')?.kid

  const after = await publishedOtherThan(before)
  for (const kid of before) t.ok(after.includes(kid), 'the old ones are still published')
  t.ok(after.includes(signs('authorization_server') ?? ''))
  t.equal(await meStatus(server, old.access), 200)
  t.equal(await meStatus(server, old.firstParty), 200)

  const fresh = { access: await accessToken(), firstParty: (await signIn(server, person)).accessToken }
  t.equal(kidOf(fresh.access), signs('authorization_server'))
  t.equal(kidOf(fresh.firstParty), signs('first_party'))
  t.notOk(before.includes(kidOf(fresh.access) ?? ''))
  t.not(kidOf(fresh.firstParty), kidOf(old.firstParty))
  t.equal(await meStatus(server, fresh.access), 200)
  t.equal(await meStatus(server, fresh.firstParty), 200)

  const { keys } = await operator.run<{ keys: ListedKey[] }>(t, ['keys', 'list'])
  t.strictSame(
    keys
      .filter(({ retired_at }) => retired_at === null)
      .map(({ kid }) => kid)
      .toSorted(),
    signing.map(({ kid }) => kid).toSorted(),
  )
  t.equal(keys.length, 8)
})

t.test('introspection knows tokens from before a rotation (RFC 7662)', async (t) => {
  const before = await publishedKids()
  const token = await accessToken()
  await operator.run(t, ['keys', 'rotate'])
  await publishedOtherThan(before)
  const response = await clientPost(server, '/oauth/introspect', machine, { token })
  t.match(await response.json(), { active: true, client_id: machine.id })
})
