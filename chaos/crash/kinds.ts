import { Browser, type Page } from '../../test/fixtures/browser.ts'
import { authorizationRequest, type RelyingParty } from '../../test/fixtures/clients.ts'
import type { Gatehouse } from '../../test/fixtures/gatehouse.ts'
import { bearer } from '../../test/fixtures/people.ts'
import { clientForm } from '../../test/fixtures/wire.ts'
import { type Answer, type Ask, answered, json } from './ask.ts'
import type { Kind, Tokens } from './chain.ts'
import type { Told } from './told.ts'

interface Person {
  readonly email: string
  readonly password: string
}

/** The first-party session of a person, as a mobile app has it. */
export function session(name: string, ask: Ask, { email, password }: Person): Kind {
  const tokensOf = (answer: Answer | undefined): Tokens | 'over' | undefined => {
    if (answer === undefined) return undefined
    const { accessToken = '', refreshToken = '' } = answer.body
    if (answer.status !== 200) return 'over'
    return { access: { kind: 'JWT', headers: bearer(accessToken), seconds: 300 }, refresh: refreshToken }
  }
  return {
    name,
    start: async () => tokensOf(await ask('/api/auth/login/jwt', json({ email, password }))),
    refresh: async (refreshToken) => tokensOf(await ask('/api/auth/refresh', json({ refreshToken }))),
    async end({ access }) {
      const answer = await ask('/api/auth/logout', json({}, access.headers))
      return answer?.status === 200 || answer?.status === 401
    },
  }
}

/**
 * A client that a person has allowed something, by the pages of the server.
 * @param endsAtSignOut whether it has no offline access, and ends when the person signs out; else by revocation
 */
export function oauth(
  name: string,
  server: Pick<Gatehouse, 'url'>,
  ask: Ask,
  client: RelyingParty,
  person: Person,
  told: Told,
  endsAtSignOut = false,
): Kind {
  const scope = endsAtSignOut ? 'openid profile:read' : 'openid offline_access profile:read'
  const browser = new Browser(server as Gatehouse)
  const credentials = { email: person.email, password: person.password }
  const post = (path: string, parameters: Record<string, string>) =>
    ask(path, { method: 'POST', ...clientForm(client, parameters) })

  const tokensOf = (answer: Answer | undefined): Tokens | 'over' | undefined => {
    if (answer === undefined) return undefined
    const { access_token = '', refresh_token = '' } = answer.body
    if (answer.status !== 200) return 'over'
    const kind = access_token.includes('.') ? 'JWT access token' : 'opaque access token'
    return { access: { kind, headers: bearer(access_token), seconds: 600 }, refresh: refresh_token }
  }

  const at = (page: () => Promise<Page>) => answered(`a page of ${name}`, page, told)

  async function obtainCode(): Promise<{ code: string; code_verifier: string } | 'over' | undefined> {
    const { url, verifier } = await authorizationRequest(client, { scope })
    const first = await at(() => browser.goto(url.href))
    const signedIn = first?.html.includes('name="password"')
      ? await at(() => browser.submit(first, first.form('/login'), credentials))
      : first
    const page = /action="[^"]*\/consent"/.test(signedIn?.html ?? '')
      ? await at(() => browser.submit(signedIn as Page, (signedIn as Page).form('/consent')))
      : signedIn
    if (page === undefined) return undefined
    const code = new URL(page.url).searchParams.get('code')
    if (code !== null) return { code, code_verifier: verifier }
    told.violation(`${name}: no code but ${page.status} at ${page.url}: ${page.html.slice(0, 300)}`)
    return 'over'
  }

  return {
    name,

    async start() {
      const obtained = await obtainCode()
      if (typeof obtained !== 'object') return obtained
      const redeem = async () => tokensOf(await post('/oauth/token', { grant_type: 'authorization_code', ...obtained }))
      const got = await redeem()
      if (got !== undefined) return got
      // A code that was redeemed without an answer is used up; who is refused then begins anew.
      const again = await redeem()
      return again === 'over' ? undefined : again
    },

    refresh: async (refresh_token) =>
      tokensOf(await post('/oauth/token', { grant_type: 'refresh_token', refresh_token })),

    async end({ refresh: token }) {
      if (!endsAtSignOut) return (await post('/oauth/revoke', { token }))?.status === 200
      const headers = { origin: server.url, 'sec-fetch-site': 'same-origin' }
      const signOut = () => browser.request('/api/auth/logout', { method: 'POST', headers })
      const answer = await answered(`a sign-out of ${name}`, signOut, told)
      return answer?.status === 200 || answer?.status === 401
    },

    async revoke({ headers }) {
      const token = headers.authorization?.slice('Bearer '.length) ?? ''
      return (await post('/oauth/revoke', { token }))?.status === 200
    },
  }
}
