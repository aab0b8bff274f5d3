import { command } from './command-line.ts'
import type { Gatehouse } from './gatehouse.ts'
import { basic, bearer, postForm, postJson } from './http.ts'

/** Accounts that sign in at once; more than connections, so that no one's sign-ins are throttled. */
const PEOPLE = 48
const PASSWORD = 'correct horse battery staple'

/** Scopes of the built-in resource that an ordinary account may give away. */
export const API_SCOPE = ['profile:read', 'keys:read', 'keys:write']
/** Where the server under measurement answers as `GET /api/me` does, to anyone. */
export const BARE_PATH = '/bare/me'
export const REDIRECT_URI = 'https://app.example/callback'
/** A resource of the operator's, whose tokens are opaque. */
export const PARCELS = { identifier: 'https://parcels.example', scope: 'parcels:read' }

export interface Person {
  readonly id: string
  readonly email: string
  readonly password: string
}

export interface Client {
  readonly id: string
  readonly secret: string
}

/** Who takes part: people, the applications they use, and a machine. */
export interface World {
  readonly people: readonly Person[]
  readonly web: Client
  /** An application whose access tokens are opaque at the built-in resource too. */
  readonly opaqueWeb: Client
  readonly machine: Client
}

/** Makes them as an operator and newcomers do: by the command line and by signing up. */
export async function makeWorld({ url, env }: Gatehouse): Promise<World> {
  const { identifier, scope } = PARCELS
  const parcels = ['--identifier', identifier, '--name', 'Parcels', '--scope', scope, '--format', 'opaque']
  await command(env, 'resources', 'create', ...parcels)
  const allowed = ['openid', 'offline_access', ...API_SCOPE, scope].join(' ')
  const client = async (type: string, ...more: string[]) => {
    const words = ['--name', `The ${type} client`, '--type', type, '--scope', allowed, ...more]
    const made = await command<{ client_id: string; client_secret: string }>(env, 'clients', 'create', ...words)
    return { id: made.client_id, secret: made.client_secret }
  }
  const web = await client('web', '--redirect-uri', REDIRECT_URI)
  const opaqueWeb = await client('web', '--redirect-uri', REDIRECT_URI, '--access-token-format', 'opaque')
  const machine = await client('machine')
  const people = await Promise.all(
    Array.from({ length: PEOPLE }, async (_, index) => {
      const email = `person-${index}@example.com`
      const body = { email, password: PASSWORD, name: 'Ada Example' }
      const { user } = await postJson<{ user: { id: string } }>(`${url}/api/auth/register`, body)
      return { id: user.id, email, password: PASSWORD }
    }),
  )
  return { people, web, opaqueWeb, machine }
}

/** Signs a person in as a mobile app would, without a browser. */
export function signIn({ url }: Gatehouse, { email, password }: Person) {
  return postJson<{ accessToken: string; refreshToken: string }>(`${url}/api/auth/login/jwt`, { email, password })
}

/** An API key of a person's, issued by the server. */
export async function makeApiKey(server: Gatehouse, person: Person): Promise<{ apiKey: string; id: string }> {
  const { accessToken } = await signIn(server, person)
  const body = { name: 'benchmark', permissions: API_SCOPE }
  return postJson(`${server.url}/api/auth/apikey/generate`, body, bearer(accessToken))
}

/** A token of the machine's on its own behalf: a JWT for the built-in resource, or opaque for the operator's. */
export async function machineToken({ url }: Gatehouse, { machine }: World, format: 'jwt' | 'opaque'): Promise<string> {
  const asked = clientCredentials(format)
  return (await postForm<{ access_token: string }>(`${url}/oauth/token`, asked, basic(machine))).access_token
}

/** The parameters with which a client asks for such a token. */
export const clientCredentials = (format: 'jwt' | 'opaque'): Record<string, string> => ({
  grant_type: 'client_credentials',
  ...(format === 'jwt' ? { scope: API_SCOPE.join(' ') } : { scope: PARCELS.scope, resource: PARCELS.identifier }),
})
