import { and, eq, sql } from 'drizzle-orm'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { firstPartyRefreshTokens, providerModels } from '../../src/database/schema.ts'
import { digest } from '../../src/secrets/opaque-token.ts'
import { authorize, makeClient, type RelyingParty } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson, signIn } from '../fixtures/people.ts'
import { clientPost, meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)
const web = await makeClient(server)
const spa = await makeClient(server, { type: 'spa' })

interface Tokens {
  readonly access: string
  readonly refresh: string
}

/** Either kind of refresh token, as who has it sees it. */
interface Kind {
  readonly name: string
  start(): Promise<Tokens>
  /** The tokens, or undefined when the server refuses. */
  refresh(token: string): Promise<Tokens | undefined>
  end(tokens: Tokens): Promise<unknown>
  /** Has a rotation of this token lie so many seconds further back. */
  age(token: string, seconds: number): Promise<unknown>
  expiryOf(token: string): Promise<Date | null | undefined>
}

const session: Kind = {
  name: 'first-party session',
  async start() {
    const { accessToken, refreshToken } = await signIn(server, person)
    return { access: accessToken, refresh: refreshToken }
  },
  async refresh(refreshToken) {
    const response = await server.post('/api/auth/refresh', { refreshToken })
    if (response.status !== 200) return undefined
    const body = (await response.json()) as { accessToken: string; refreshToken: string }
    return { access: body.accessToken, refresh: body.refreshToken }
  },
  end: ({ access }) => server.post('/api/auth/logout', {}, { authorization: `Bearer ${access}` }),
  age: (token, seconds) =>
    server.db
      .update(firstPartyRefreshTokens)
      .set({ consumedAt: sql`consumed_at - ${seconds}::int * interval '1 second'` })
      .where(eq(firstPartyRefreshTokens.digest, digest(token))),
  async expiryOf(token) {
    const of = eq(firstPartyRefreshTokens.digest, digest(token))
    return (await server.db.select().from(firstPartyRefreshTokens).where(of))[0]?.expiresAt
  },
}

const oauth = (client: RelyingParty, name: string): Kind => ({
  name,
  async start() {
    const { access_token, refresh_token = '' } = await (await authorize(server, client, person)).redeem()
    return { access: access_token, refresh: refresh_token }
  },
  async refresh(refresh_token) {
    const response = await clientPost(server, '/oauth/token', client, { grant_type: 'refresh_token', refresh_token })
    const body = (await response.json()) as { access_token: string; refresh_token: string; error?: string }
    if (body.error === 'invalid_grant') return undefined
    if (response.status !== 200) throw new Error(JSON.stringify(body))
    return { access: body.access_token, refresh: body.refresh_token }
  },
  end: ({ refresh }) => clientPost(server, '/oauth/revoke', client, { token: refresh }),
  age: (token, seconds) =>
    server.db
      .update(providerModels)
      .set({ consumedAt: sql`consumed_at - ${seconds}::int * interval '1 second'` })
      .where(and(eq(providerModels.model, 'RefreshToken'), eq(providerModels.id, digest(token)))),
  async expiryOf(token) {
    const of = and(eq(providerModels.model, 'RefreshToken'), eq(providerModels.id, digest(token)))
    return (await server.db.select().from(providerModels).where(of))[0]?.expiresAt
  },
})

const kinds = [session, oauth(web, 'confidential client'), oauth(spa, 'public client')]

async function isOver(t: Test, kind: Kind, all: readonly (Tokens | undefined)[]): Promise<void> {
  for (const tokens of all) {
    t.equal(await kind.refresh(tokens?.refresh ?? ''), undefined)
    t.equal(await meStatus(server, tokens?.access ?? ''), 401)
  }
}

for (const kind of kinds) {
  t.test(`${kind.name}: who has not got the answer gets the same successor again (RFC 9700 4.14.2)`, async (t) => {
    const first = await kind.start()
    const second = await kind.refresh(first.refresh)
    const expiry = await kind.expiryOf(second?.refresh ?? '')
    t.ok(expiry)
    const again = await kind.refresh(first.refresh)
    t.equal(again?.refresh, second?.refresh)
    t.equal(await meStatus(server, again?.access ?? ''), 200)
    t.strictSame(await kind.expiryOf(second?.refresh ?? ''), expiry, 'which lasts no longer for it')
    const third = await kind.refresh(second?.refresh ?? '')
    t.ok(third && third.refresh !== second?.refresh, 'and goes on from there')
  })

  t.test(`${kind.name}: the retry is over when the successor was used (OAuth 2.1 4.3.1)`, async (t) => {
    const first = await kind.start()
    const second = await kind.refresh(first.refresh)
    const third = await kind.refresh(second?.refresh ?? '')
    t.equal(await kind.refresh(first.refresh), undefined)
    await isOver(t, kind, [first, second, third])
  })

  t.test(`${kind.name}: the retry is over after half a minute (OAuth 2.1 4.3.1)`, async (t) => {
    const first = await kind.start()
    const second = await kind.refresh(first.refresh)
    await kind.age(first.refresh, 31)
    t.equal(await kind.refresh(first.refresh), undefined)
    await isOver(t, kind, [first, second])
  })

  t.test(`${kind.name}: behaves as the rule says, whatever is sent in whatever order`, async (t) => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ what: fc.constant('refresh' as const), of: fc.nat(3) }) },
      { weight: 2, arbitrary: fc.record({ what: fc.constant('wait' as const), of: fc.nat(3) }) },
      { weight: 1, arbitrary: fc.record({ what: fc.constant('end' as const), of: fc.nat(3) }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
        // The oracle: the chain so far, which of it are too old to be retried, and whether all is over.
        const chain = [await kind.start()]
        const late = new Set<number>()
        let over = false
        for (const { what, of } of steps) {
          const last = chain.length - 1
          const index = Math.max(0, last - of)
          const tokens = chain[index] as Tokens
          if (what === 'wait') {
            if (index === last) continue
            await kind.age(tokens.refresh, 31)
            late.add(index)
          } else if (what === 'end') {
            // By the newest alone, as whoever signs out holds it.
            await kind.end(chain[last] as Tokens)
            over = true
          } else {
            const got = await kind.refresh(tokens.refresh)
            const isRetry = index === last - 1 && !late.has(index)
            const isGood = !over && (index === last || isRetry)
            if ((got !== undefined) !== isGood)
              throw new Error(`${index} of ${last}: ${got === undefined ? 'no' : 'yes'}`)
            if (isRetry && got !== undefined && got.refresh !== chain[last]?.refresh)
              throw new Error('another successor')
            if (index === last && got !== undefined) chain.push(got)
            if (!isGood) over = true
          }
          const status = await meStatus(server, chain.at(-1)?.access ?? '')
          if (status !== (over ? 401 : 200)) throw new Error(`access ${status} when over is ${over}`)
        }
      }),
      { numRuns: 25, endOnFailure: true },
    )
    t.pass('25 histories')
  })
}

t.test('a successor is given to the same client alone (OAuth 2.1 4.3.1)', async (t) => {
  const kind = oauth(web, 'web')
  const first = await kind.start()
  await kind.refresh(first.refresh)
  t.equal(await oauth(await makeClient(server), 'other').refresh(first.refresh), undefined)
  t.ok(await kind.refresh(first.refresh), 'and a stranger ends nothing')
})
