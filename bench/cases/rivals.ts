import { hash as bcrypt } from 'bcrypt'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { insertApiKeys } from '../gatehouse/fresh-credentials.ts'
import type { Gatehouse } from '../gatehouse/gatehouse.ts'
import { basic, bearer, FORM } from '../gatehouse/http.ts'
import type { Place } from '../gatehouse/place.ts'
import { API_SCOPE, BARE_PATH, clientCredentials, type World } from '../gatehouse/world.ts'
import type { Load } from '../load/load.ts'
import { type ServerProcess, startServer } from '../processes/processes.ts'
import { BASELINE, type Case } from './case.ts'
import { bearerOf } from './checks.ts'

const BCRYPT_COST = 10
const ISSUER = 'https://issuer.example'
const KEYS_PER_SECOND = 4_000

/** The same route without a credential: in Gatehouse, in a process of its own, and by Fastify alone. */
export function routes(gatehouse: Gatehouse, answer: object): Case[] {
  const load = () => ({ path: '/api/me', isAwake: true })
  const group = 'route'
  return [
    {
      name: BASELINE,
      title: 'GET /api/me without a credential',
      group,
      server: async () => gatehouse.process,
      load: () => ({ path: BARE_PATH, isAwake: true }),
    },
    { name: 'twin', title: 'The same in a process of its own', group, server: started('twin', { answer }), load },
    {
      name: 'healthz',
      title: 'GET /healthz of Gatehouse',
      group,
      server: async () => gatehouse.process,
      load: () => ({ path: '/healthz', isAwake: true }),
    },
    { name: 'bare-fastify', title: 'Fastify alone', group, server: started('bare-fastify', { answer }), load },
  ]
}

/** What one might use instead of Gatehouse, each in a process of its own. */
export async function rivals(gatehouse: Gatehouse, world: World, place: Place, answer: object): Promise<Case[]> {
  const group = 'rival'
  const { settings, load } = await makeJwt(answer)
  return [
    { name: 'jose', title: 'jose, ES256', group, server: started('jose', settings), load },
    {
      name: 'fastify-jwt',
      title: '@fastify/jwt, ES256',
      group,
      server: started('fastify-jwt', { ...settings, cache: false }),
      load,
    },
    {
      name: 'fastify-jwt-cache',
      title: '@fastify/jwt, ES256, with its cache',
      group,
      server: started('fastify-jwt', { ...settings, cache: true }),
      load,
    },
    bcryptScan(10, answer),
    bcryptScan(100, answer),
    ...(place.url === undefined ? [] : [lookUp(gatehouse, world, place.url, answer)]),
    {
      name: 'argon2id',
      title: 'Argon2id alone',
      group,
      server: started('argon2id', { answer }),
      load: () => ({ path: '/sign-in', method: 'POST' }),
    },
    bareProvider(world),
  ]
}

/** A rival's process, started when it is first asked for. */
function started(name: string, settings: unknown | (() => Promise<unknown>)): () => Promise<ServerProcess> {
  let process: Promise<ServerProcess> | undefined
  const start = async () => startServer(`rivals/${name}.ts`, settings instanceof Function ? await settings() : settings)
  return () => {
    process ??= start()
    return process
  }
}

async function makeJwt(answer: object) {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const token = await new SignJWT({ scope: API_SCOPE.join(' '), client_id: 'client', jti: 'one' })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'one' })
    .setIssuer(ISSUER)
    .setAudience(ISSUER)
    .setSubject('0b7f5c0e-6d55-4c0c-9f43-0a0f0a9b6f3f')
    .setIssuedAt()
    .setExpirationTime('1d')
    .sign(privateKey)
  const load = (): Load => ({ path: '/api/me', headers: bearer(token), isAwake: true })
  return { settings: { answer, issuer: ISSUER, publicJwk: await exportJWK(publicKey) }, load }
}

/** The key that is presented stands in the middle, where a scan finds the average one. */
function bcryptScan(count: number, answer: object): Case {
  const secret = (index: number) => `key-${index}-of-${count}`
  const hashes = async () => {
    const all = Array.from({ length: count }, (_, index) => bcrypt(secret(index), BCRYPT_COST))
    return { answer, hashes: await Promise.all(all) }
  }
  return {
    name: `bcrypt-${count}`,
    title: `API key by bcrypt over ${count} keys`,
    group: 'rival',
    server: started('bcrypt-scan', hashes),
    load: (seconds) => ({
      path: '/api/me',
      headers: { 'x-api-key': secret(count / 2) },
      connections: 2,
      amount: Math.max(2, Math.round((40 * seconds) / count)),
    }),
  }
}

function lookUp(gatehouse: Gatehouse, world: World, databaseUrl: string, answer: object): Case {
  return {
    name: 'look-up',
    title: 'API key by one prepared look-up',
    group: 'rival',
    server: started('look-up', { answer, databaseUrl }),
    async load(seconds) {
      const keys = await insertApiKeys(gatehouse, bearerOf(world), seconds * KEYS_PER_SECOND)
      return { path: '/api/me', variants: keys.map(({ secret }) => ({ headers: { 'x-api-key': secret } })) }
    },
  }
}

function bareProvider({ machine }: World): Case {
  const resource = 'https://api.example'
  const settings = { clientId: machine.id, clientSecret: machine.secret, resource, scope: API_SCOPE.join(' ') }
  return {
    name: 'oidc-provider',
    title: 'oidc-provider in memory, client credentials, JWT',
    group: 'rival',
    server: started('oidc-provider', settings),
    load: () => ({
      path: '/token',
      method: 'POST',
      headers: { ...FORM, ...basic(machine) },
      body: String(new URLSearchParams(clientCredentials('jwt'))),
    }),
  }
}
