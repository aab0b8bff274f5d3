import { createHash, randomBytes } from 'node:crypto'
import { Browser } from '../../test/fixtures/browser.ts'
import { passPages } from '../../test/fixtures/clients.ts'
import type { Gatehouse } from './gatehouse.ts'
import { basic, postForm } from './http.ts'
import { API_SCOPE, type Client, type Person, REDIRECT_URI } from './world.ts'

/** What a person gives a web client by the authorization code grant. */
export interface Authorization {
  readonly access_token: string
  readonly refresh_token: string
}

/** Goes the way of a person with a browser: authorization request, sign-in, consent, code, tokens. */
export async function authorize({ url }: Gatehouse, client: Client, person: Person): Promise<Authorization> {
  const verifier = randomBytes(32).toString('base64url')
  const request = new URLSearchParams({
    client_id: client.id,
    response_type: 'code',
    redirect_uri: REDIRECT_URI,
    scope: ['openid', 'offline_access', ...API_SCOPE].join(' '),
    prompt: 'consent',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  const browser = new Browser({ url } as ConstructorParameters<typeof Browser>[0])
  const start = await browser.goto(`/oauth/authorize?${request}`)
  const end = await passPages(browser, start, person as Parameters<typeof passPages>[2])
  const code = new URL(end.url).searchParams.get('code')
  if (code === null) throw new Error(`no code at ${end.url} (${end.status})`)
  const redemption = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI, code_verifier: verifier }
  return postForm<Authorization>(`${url}/oauth/token`, redemption, basic(client))
}

/** The tokens that follow those of an authorization. */
export function refresh({ url }: Gatehouse, client: Client, refreshToken: string): Promise<Authorization> {
  const exchange = { grant_type: 'refresh_token', refresh_token: refreshToken }
  return postForm<Authorization>(`${url}/oauth/token`, exchange, basic(client))
}
