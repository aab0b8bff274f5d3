import { randomUUID } from 'node:crypto'
import { setRole } from '../../src/accounts/change-account.ts'
import type { Database } from '../../src/database/client.ts'
import type { RelyingParty } from '../../test/fixtures/clients.ts'
import { eventually } from '../../test/fixtures/eventually.ts'
import { bearer } from '../../test/fixtures/people.ts'
import { clientForm } from '../../test/fixtures/wire.ts'
import { type Ask, json } from './ask.ts'
import type { Actor } from './chain.ts'
import { type Held, Purse, type Told } from './told.ts'

/** Something that can be had again and again, and revoked one by one. */
interface Issuer {
  readonly name: string
  issue(): Promise<
    { kind: string; headers: Held['headers']; seconds: number; revoke: () => Promise<boolean> } | undefined
  >
}

/** Whoever gets and revokes what depends on nothing that came before. */
function createIssuing({ name, issue }: Issuer, told: Told): Actor {
  const purse = new Purse(told)
  const revocations = new Map<Held, () => Promise<boolean>>()
  let doubt: Held | undefined

  const get = async () => {
    const got = await issue()
    if (got !== undefined) revocations.set(purse.add(got.kind, got.headers, got.seconds), got.revoke)
    return got !== undefined
  }
  const revoke = async (held: Held) => {
    const isOver = (await revocations.get(held)?.()) ?? false
    doubt = isOver ? undefined : held
    if (isOver) purse.revoke([held])
    else purse.doubt([held])
  }

  return {
    name,
    purse,
    async act() {
      const held = doubt ?? (Math.random() < 0.3 ? purse.good.at(-1) : undefined)
      if (held === undefined) await get()
      else await revoke(held)
    },
    async settle() {
      for (let tries = 0; doubt !== undefined && tries < 5; tries += 1) await revoke(doubt)
      if (doubt !== undefined) told.violation(`${name}: in doubt for good`)
      if (!(await get())) told.violation(`${name}: nothing to be had`)
      for (const held of revocations.keys()) if (held.until < Date.now()) revocations.delete(held)
    },
  }
}

/** A machine and its tokens. */
export function machine(name: string, ask: Ask, client: RelyingParty, told: Told): Actor {
  const post = (path: string, parameters: Record<string, string>) =>
    ask(path, { method: 'POST', ...clientForm(client, parameters) })
  const issue: Issuer['issue'] = async () => {
    const answer = await post('/oauth/token', { grant_type: 'client_credentials', scope: 'profile:read' })
    if (answer === undefined) return undefined
    const { access_token: token = '' } = answer.body
    if (answer.status !== 200) told.violation(`${name}: ${answer.status} ${JSON.stringify(answer.body)}`)
    const revoke = async () => (await post('/oauth/revoke', { token }))?.status === 200
    return { kind: `token of a ${name}`, headers: bearer(token), seconds: 600, revoke }
  }
  return createIssuing({ name, issue }, told)
}

/** Fewer than the API keys that an account may make in an hour. */
const KEYS_OF_A_PERSON = 150

/** A person and their API keys, and another one after so many. */
export function keyOwner(ask: Ask, person: { email: string; password: string }, told: Told): Actor {
  const name = 'owner of keys'
  let session = sessionOf(person)
  let made = 0

  function sessionOf(owner: typeof person) {
    let signedIn: { headers: Record<string, string>; until: number } | undefined
    return async () => {
      if (signedIn !== undefined && signedIn.until > Date.now()) return signedIn.headers
      const answer = await ask('/api/auth/login/jwt', json({ email: owner.email, password: owner.password }))
      if (answer === undefined) return undefined
      if (answer.status !== 200) told.violation(`${name}: ${answer.status} ${JSON.stringify(answer.body)}`)
      signedIn = { headers: bearer(answer.body.accessToken ?? ''), until: Date.now() + 240_000 }
      return signedIn.headers
    }
  }
  const changePerson = async () => {
    const next = { email: `${randomUUID()}@example.com`, password: person.password }
    const answer = await ask('/api/auth/register', json(next))
    if (answer?.status !== 201) return
    session = sessionOf(next)
    made = 0
  }
  const remove = async (id: string, jwt: typeof session) => {
    const headers = await jwt()
    const answer = headers && (await ask(`/api/keys/${id}`, { method: 'DELETE', headers }))
    return answer?.status === 200 || answer?.status === 204 || answer?.status === 404
  }
  const issue: Issuer['issue'] = async () => {
    if (made >= KEYS_OF_A_PERSON) await changePerson()
    const jwt = session
    const headers = await jwt()
    made += 1
    const answer = headers && (await ask('/api/auth/apikey/generate', json({ name: 'a script' }, headers)))
    if (answer === undefined) return undefined
    if (answer.status !== 201) told.violation(`${name}: ${answer.status} ${JSON.stringify(answer.body)}`)
    const { apiKey = '', id = '' } = answer.body
    return { kind: 'API key', headers: { 'x-api-key': apiKey }, seconds: 86_400, revoke: () => remove(id, jwt) }
  }
  return createIssuing({ name, issue }, told)
}

/** The operator, who gives an account another role now and then, and the account's key that shows it. */
export function operator(ask: Ask, db: Database, accountId: string, key: string, told: Told): Actor {
  let role: 'admin' | 'user' | undefined = 'admin'

  const change = async () => {
    const next = role === 'admin' ? 'user' : 'admin'
    role = undefined
    await setRole(db, accountId, next, new Date())
    role = next
  }
  const status = async () => (await ask('/api/admin/users?limit=1', { headers: { 'x-api-key': key } }))?.status

  return {
    name: 'operator',
    purse: new Purse(told),
    act: () => change().catch(() => {}),
    async settle() {
      if (role === undefined) await change()
      const wanted = role === 'admin' ? 200 : 403
      const answer = await eventually(status, (each) => each === wanted)
      if (answer !== wanted) told.violation(`operator: ${answer} where the role is ${role}`)
    },
  }
}
