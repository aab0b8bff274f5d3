import { eventually } from '../../test/fixtures/eventually.ts'
import { type Held, Purse, type Told } from './told.ts'

/** What a client gets at once: what it shows, and what it gets the next with. */
export interface Tokens {
  readonly access: { readonly kind: string; readonly headers: Held['headers']; readonly seconds: number }
  readonly refresh: string
}

/** How a kind of client gets and renews its tokens. Undefined is no answer; `over` is a refusal. */
export interface Kind {
  readonly name: string
  start(): Promise<Tokens | 'over' | undefined>
  refresh(token: string): Promise<Tokens | 'over' | undefined>
  /** Ends all that the newest tokens belong to; true when told that it is over. */
  end(newest: { refresh: string; access: Held }): Promise<boolean>
  /** Ends one access token alone, where the kind has that. */
  revoke?(access: Held): Promise<boolean>
}

/** Somebody who does things, one after another, and knows what he was told. */
export interface Actor {
  readonly name: string
  readonly purse: Purse
  /** Does one thing, or what it was left in doubt about once more. */
  act(): Promise<void>
  /** Settles what is in doubt and proves that it can go on. */
  settle(): Promise<void>
}

type Doubt = 'refresh' | 'end' | { readonly access: Held }

/** A client with a chain of refresh tokens. */
export function createChain(kind: Kind, told: Told, isAlive: (held: Held) => Promise<boolean | undefined>): Actor {
  const purse = new Purse(told)
  let tokens: Tokens | undefined
  let newest: Held | undefined
  let ofGrant: Held[] = []
  let over: string[] = []
  let doubt: Doubt | undefined

  const take = (got: Tokens) => {
    tokens = got
    newest = purse.add(`${got.access.kind} of ${kind.name}`, got.access.headers, got.access.seconds)
    ofGrant.push(newest)
  }
  const isEnded = () => {
    purse.revoke(ofGrant)
    if (tokens !== undefined) over = [...over, tokens.refresh].slice(-3)
    tokens = undefined
    ofGrant = []
  }

  const start = async () => {
    const got = await kind.start()
    if (got === 'over') told.violation(`${kind.name}: could not start again`)
    else if (got !== undefined) take(got)
  }
  const refresh = async ({ refresh: token }: Tokens) => {
    const got = await kind.refresh(token)
    doubt = got === undefined ? 'refresh' : undefined
    if (got === undefined) return
    if (got !== 'over') return take(got)
    told.violation(`${kind.name}: a good refresh token was refused`)
    purse.doubt(ofGrant)
    tokens = undefined
    ofGrant = []
  }
  const end = async ({ refresh: token }: Tokens, access: Held) => {
    const isOver = await kind.end({ refresh: token, access })
    doubt = isOver ? undefined : 'end'
    if (isOver) return isEnded()
    purse.doubt(ofGrant)
  }
  const revoke = async (access: Held) => {
    const isOver = (await kind.revoke?.(access)) ?? false
    doubt = isOver ? undefined : { access }
    if (isOver) purse.revoke([access])
    else purse.doubt([access])
    ofGrant = ofGrant.filter((held) => held !== access)
  }
  const again = async () => {
    if (tokens === undefined || newest === undefined || doubt === undefined) return
    told.counts.doubts += 1
    if (doubt === 'refresh') return refresh(tokens)
    if (doubt !== 'end') return revoke(doubt.access)
    const halves = async () =>
      new Set(await Promise.all(ofGrant.filter(({ until }) => until > Date.now()).map(isAlive)))
    const isHalf = (alive: Set<unknown>) => alive.has(true) && alive.has(false)
    // A second is what a revocation may take to reach the other process.
    if (isHalf(await eventually(halves, (alive) => !isHalf(alive)))) {
      told.violation(`${kind.name}: half of what it had is over`)
    }
    return end(tokens, newest)
  }

  return {
    name: kind.name,
    purse,

    async act() {
      if (doubt !== undefined) return again()
      if (tokens === undefined || newest === undefined) return start()
      const chance = Math.random()
      if (chance < 0.12) return end(tokens, newest)
      if (chance < 0.25 && kind.revoke !== undefined && ofGrant.includes(newest)) return revoke(newest)
      return refresh(tokens)
    },

    async settle() {
      for (let tries = 0; doubt !== undefined && tries < 5; tries += 1) await again()
      if (doubt !== undefined) told.violation(`${kind.name}: in doubt for good`)
      if (tokens === undefined) await start()
      else await refresh(tokens)
      if (tokens === undefined) told.violation(`${kind.name}: has nothing to go on with`)
      for (const token of over) {
        const got = await kind.refresh(token)
        if (typeof got === 'object') told.violation(`${kind.name}: a refresh token that is over was taken`)
      }
    },
  }
}
