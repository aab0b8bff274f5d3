/**
 * Three rotations of the signing keys under constant load: two server processes whose keys sign for 20 seconds
 * instead of 30 days, and verifiers that keep the JWKS for its max-age and look no sooner. Exits with 1 when a
 * request failed or a token was not believed. On the PostgreSQL of DATABASE_URL, in a database of its own.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { createAccount } from '../src/accounts/accounts.ts'
import { createClient } from '../src/clients/clients.ts'
import { makeDatabase } from '../test/fixtures/database.ts'
import { freePort } from '../test/fixtures/gatehouse.ts'
import { startServer } from '../test/fixtures/processes.ts'
import { execute, run } from './command.ts'

const SIGN_SECONDS = 20
const ROTATIONS = 3
const WORKERS = 8
const PASSWORD = 'correct horse battery staple'

const counts = { tokens: 0, verified: 0, requests: 0 }
const failures: string[] = []
const signers = new Set<string>()

async function main(): Promise<void> {
  if (process.env.DATABASE_URL === undefined) throw new Error('give DATABASE_URL: two processes need a PostgreSQL')
  const database = await makeDatabase(process.env.DATABASE_URL)
  run.teardown(database.drop)
  const issuer = `http://localhost:${await freePort()}`
  const env = {
    ...database.env,
    SECRET_KEYS: crypto.getRandomValues(Buffer.alloc(32)).toString('base64url'),
    ISSUER: issuer,
    KEY_ROTATION_DAYS: (SIGN_SECONDS / 86_400).toFixed(9),
  }
  const servers = await Promise.all([startServer(run, env), startServer(run, env)])
  const urls = servers.map(({ url }) => url)
  const other = (url: string) => urls.find((each) => each !== url) ?? ''

  const jwks = await fetch(`${urls[0]}/oauth/jwks`)
  const maxAge = Number(/max-age=(\d+)/.exec(jwks.headers.get('cache-control') ?? '')?.[1])
  const verifiers = urls.map((url) =>
    createRemoteJWKSet(new URL('/oauth/jwks', url), { cacheMaxAge: maxAge * 1000, cooldownDuration: 3_600_000 }),
  )
  const machine = await createClient(database.db, {
    name: 'M',
    type: 'machine',
    redirectUris: [],
    scope: ['profile:read'],
  })
  const email = 'ada@example.com'
  await createAccount(database.db, { email, password: PASSWORD, name: 'Ada', role: 'user' })
  const stock: string[] = []
  let over = false

  async function ask(what: string, url: string, init: RequestInit): Promise<Record<string, string>> {
    counts.requests += 1
    try {
      const response = await fetch(url, init)
      const body = (await response.json()) as Record<string, string>
      if (response.ok) return body
      failures.push(`${what}: ${response.status} ${JSON.stringify(body)}`)
    } catch (error) {
      failures.push(`${what}: ${error}`)
    }
    return {}
  }
  const present = (token: string, url: string) =>
    ask('GET /api/me', `${url}/api/me`, { headers: { authorization: `Bearer ${token}` } })

  async function verify(token: string): Promise<void> {
    for (const verifier of verifiers) {
      try {
        await jwtVerify(token, verifier, { issuer, audience: `${issuer}/api`, typ: 'at+jwt', algorithms: ['ES256'] })
        counts.verified += 1
      } catch (error) {
        failures.push(`a verifier: ${error}`)
      }
    }
  }

  async function machineWork(number: number): Promise<void> {
    const authorization = `Basic ${Buffer.from(`${machine.client.id}:${machine.secret}`).toString('base64')}`
    for (let turn = number; !over; turn += 1) {
      const url = urls[turn % urls.length] ?? ''
      const body = new URLSearchParams({ grant_type: 'client_credentials' })
      const { access_token: token } = await ask('a token', `${url}/oauth/token`, {
        method: 'POST',
        body,
        headers: { authorization },
      })
      if (token === undefined) continue
      counts.tokens += 1
      const { kid = '' } = decodeProtectedHeader(token)
      if (!signers.has(kid)) process.stdout.write(`${new Date().toISOString()} ${kid} signs\n`)
      signers.add(kid)
      stock.push(token)
      await verify(token)
      await present(token, other(url))
      // Tokens are good for 10 minutes, so each that was ever issued here still is.
      await verify(stock[Math.floor(Math.random() * stock.length)] ?? token)
    }
  }

  async function personWork(): Promise<void> {
    const init = (body: object) => ({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    let session = await ask('sign-in', `${urls[0]}/api/auth/login/jwt`, init({ email, password: PASSWORD }))
    for (let turn = 0; !over; turn += 1) {
      const url = urls[turn % urls.length] ?? ''
      await present(session.accessToken ?? '', other(url))
      session = await ask('a refresh', `${url}/api/auth/refresh`, init({ refreshToken: session.refreshToken }))
    }
  }

  const startedAt = Date.now()
  const work = [personWork(), ...Array.from({ length: WORKERS }, (_, number) => machineWork(number))]
  while (signers.size <= ROTATIONS && failures.length === 0 && Date.now() - startedAt < 6 * SIGN_SECONDS * 1000)
    await delay(100)
  await delay(2 * maxAge * 1000)
  over = true
  await Promise.all(work)
  const seconds = Math.round((Date.now() - startedAt) / 1000)
  const rotations = signers.size - 1
  process.stdout.write(`${JSON.stringify({ seconds, rotations, maxAge, ...counts, failures: failures.length })}\n`)
  for (const failure of failures.slice(0, 10)) process.stdout.write(`${failure}\n`)
  if (failures.length > 0 || rotations < ROTATIONS) process.exitCode = 1
}

await execute(main)
