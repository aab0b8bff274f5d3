import type { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import {
  certificateProblems,
  certificateSourceFrom,
  certificatesFrom,
  pemFrom,
} from './secrets/certificate-settings.ts'

/** What the process was told from outside, checked and frozen. */
export interface Config {
  /** A PostgreSQL URL, or undefined for the embedded database in `dataDir`. */
  readonly databaseUrl: string | undefined
  /** Absolute path of the embedded database and the generated secrets. */
  readonly dataDir: string
  /** The issuer identifier (RFC 8414 2), without a trailing slash. */
  readonly issuer: string
  readonly host: string
  readonly port: number
  /** The sealing keys, 32 bytes each; undefined when they are to be made in `dataDir`. */
  readonly secretKeys: readonly Uint8Array[] | undefined
  /** Addresses or networks whose X-Forwarded-* are believed. */
  readonly trustProxy: readonly string[]
  /** The certificate and private key, in PEM, with which the server itself speaks TLS; undefined for plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined
  /** Where certificates of clients are looked for: `off`, `tls`, or the name of a header of a trusted proxy. */
  readonly clientCertificates: string
  /** Whose certificates prove the subject they name. */
  readonly clientCertificateAuthorities: readonly X509Certificate[]
  readonly corsOrigins: readonly string[]
  readonly signUp: 'open' | 'closed'
  readonly clientRegistration: 'off' | 'token' | 'open'
  /** Whose clients may describe themselves by a document: nobody's, anybody's, or those of these hosts. */
  readonly clientIdMetadata: 'off' | 'open' | readonly string[]
  /** How many clients there may be that no operator registered. */
  readonly dynamicClientsMax: number
  /** How many days such a client is kept that nobody uses. */
  readonly dynamicClientDays: number
  /** Whether a DPoP proof must have a nonce of ours (RFC 9449 8). */
  readonly dpopNonce: 'optional' | 'required'
  readonly apiKeyPrefix: string
  /** How much verified credentials are remembered, in MiB. */
  readonly cacheMebibytes: number
  /** How often the uses of API keys are written down. */
  readonly usageIntervalSeconds: number
  /** How long a signing key signs, in days, maybe less than one. */
  readonly keyRotationDays: number
  /** A NATS server that carries changes between processes, where the database has no LISTEN. */
  readonly natsUrl: string | undefined
  readonly logLevel: (typeof LOG_LEVELS)[number]
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]']

/** Every variable that is missing or bad, one line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`Gatehouse cannot start:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

/** Adds the variables of a `.env` file in the working directory, where there is one, to those that are not set. */
export function readEnvFile(): void {
  if (existsSync('.env')) process.loadEnvFile('.env')
}

/**
 * Reads the configuration from an environment.
 * @returns the frozen configuration
 * @throws {ConfigError} naming every bad variable at once
 */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const problems = certificateProblems(env)

  const read = <T>(name: string, fallback: T, parse: (text: string) => T): T => {
    const text = env[name]?.trim()
    if (text === undefined || text === '') return fallback
    try {
      return parse(text)
    } catch (error) {
      problems.push(`${name} ${(error as Error).message}`)
      return fallback
    }
  }

  const databaseUrl = read('DATABASE_URL', undefined as string | undefined, databaseUrlFrom)
  const port = read('PORT', 3000, portFrom)
  const secretKeys = read('SECRET_KEYS', undefined as Uint8Array[] | undefined, secretKeysFrom)
  if (databaseUrl !== undefined && secretKeys === undefined && !env.SECRET_KEYS?.trim()) {
    problems.push(`SECRET_KEYS is required with DATABASE_URL; make one with: openssl rand -base64 32 | tr '+/' '-_'`)
  }

  const cert = read('TLS_CERT', undefined as string | undefined, pemFrom)
  const key = read('TLS_KEY', undefined as string | undefined, pemFrom)

  const config: Config = {
    databaseUrl,
    dataDir: resolve(env.DATA_DIR?.trim() || '.data'),
    issuer: read('ISSUER', `${cert === undefined ? 'http' : 'https'}://localhost:${port}`, issuerFrom),
    host: read('HOST', '127.0.0.1', hostFrom),
    port,
    secretKeys,
    trustProxy: read('TRUST_PROXY', [], listOf(networkFrom)),
    tls: cert === undefined || key === undefined ? undefined : { cert, key },
    clientCertificates: read('CLIENT_CERTIFICATES', 'off', certificateSourceFrom),
    clientCertificateAuthorities: read('CLIENT_CERTIFICATE_CA', [], certificatesFrom),
    corsOrigins: read('CORS_ORIGINS', [], listOf(originFrom)),
    signUp: read('SIGN_UP', 'open', oneOf(['open', 'closed'])),
    clientRegistration: read('CLIENT_REGISTRATION', 'token', oneOf(['off', 'token', 'open'])),
    clientIdMetadata: read('CLIENT_ID_METADATA', 'open', documentsFrom),
    dynamicClientsMax: read('DYNAMIC_CLIENTS_MAX', 10_000, countFrom),
    dynamicClientDays: read('DYNAMIC_CLIENT_DAYS', 90, wholeDaysFrom),
    dpopNonce: read('DPOP_NONCE', 'optional', oneOf(['optional', 'required'])),
    apiKeyPrefix: read('API_KEY_PREFIX', 'gk_live_', apiKeyPrefixFrom),
    cacheMebibytes: read('CREDENTIAL_CACHE_MIB', 64, mebibytesFrom),
    usageIntervalSeconds: read('USAGE_INTERVAL_SECONDS', 5, intervalFrom),
    keyRotationDays: read('KEY_ROTATION_DAYS', 30, daysFrom),
    natsUrl: read('NATS_URL', undefined as string | undefined, natsUrlFrom),
    logLevel: read('LOG_LEVEL', 'info', oneOf(LOG_LEVELS)),
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return Object.freeze(config)
}

function databaseUrlFrom(text: string): string {
  const url = URL.parse(text)
  if (url === null || !['postgres:', 'postgresql:'].includes(url.protocol)) {
    throw new Error('must be a postgres:// URL')
  }
  return text
}

function portFrom(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) throw new Error('must be a port number')
  return port
}

function natsUrlFrom(text: string): string {
  if (!/^(nats|tls):$/.test(URL.parse(text)?.protocol ?? '')) throw new Error('must be a nats:// or tls:// URL')
  return text
}

function documentsFrom(text: string): Config['clientIdMetadata'] {
  if (text === 'off' || text === 'open') return text
  return listOf(hostNameFrom)(text)
}

function hostNameFrom(text: string): string {
  if (/^[a-z0-9.-]+$/.test(text) && URL.parse(`https://${text}`)?.hostname === text) return text
  throw new Error('must be off, open, or hosts such as app.example.com, separated by commas')
}

function countFrom(text: string): number {
  if (!/^\d{1,7}$/.test(text) || Number(text) < 1) throw new Error('must be a number, at least 1')
  return Number(text)
}

function wholeDaysFrom(text: string): number {
  if (!/^\d{1,4}$/.test(text) || Number(text) < 1) throw new Error('must be a whole number of days, at least 1')
  return Number(text)
}

function mebibytesFrom(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1) throw new Error('must be a number of MiB, at least 1')
  return Number(text)
}

function intervalFrom(text: string): number {
  const seconds = Number(text)
  if (!/^\d+$/.test(text) || seconds < 1 || seconds > 3600) throw new Error('must be a number of seconds, 1 to 3600')
  return seconds
}

function daysFrom(text: string): number {
  const days = Number(text)
  if (!/^\d+(\.\d+)?$/.test(text) || days < 0.0001 || days > 365) throw new Error('must be a number of days up to 365')
  return days
}

function hostFrom(text: string): string {
  if (!/^[a-z0-9.:_-]+$/i.test(text)) throw new Error('must be an address or a host name')
  return text
}

function issuerFrom(text: string): string {
  const url = URL.parse(text)
  if (url === null || (url.origin !== text && `${url.origin}/` !== text) || url.hostname.includes('*')) {
    throw new Error('must be an origin such as https://id.example.com, without path, query or user')
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK_HOSTS.includes(url.hostname))) {
    throw new Error('must be https outside localhost')
  }
  return url.origin
}

function secretKeysFrom(text: string): Uint8Array[] {
  return text.split(',').map((part) => {
    const key = part.trim().replace(/=+$/, '')
    const bytes = Buffer.from(key, 'base64url')
    if (bytes.length !== 32 || bytes.toString('base64url') !== key) {
      throw new Error('must be base64url keys of 32 bytes, separated by commas')
    }
    return bytes
  })
}

function networkFrom(text: string): string {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  const widest = family === 4 ? 32 : 128
  const isRange = bits === undefined || (/^[1-9]\d*$/.test(bits) && Number(bits) <= widest)
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return text
  if (family === 0 || !isRange || rest.length > 0) throw new Error('must be addresses or networks, separated by commas')
  return text
}

function originFrom(text: string): string {
  const url = URL.parse(text)
  if (url === null || url.origin !== text || !/^https?:$/.test(url.protocol) || url.hostname.includes('*')) {
    throw new Error('must be exact origins such as https://app.example.com, separated by commas')
  }
  return text
}

function apiKeyPrefixFrom(text: string): string {
  if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*_$/.test(text) || text.length > 20) {
    throw new Error('must be lower-case words that end with _, 20 characters at most')
  }
  return text
}

function listOf(parse: (text: string) => string): (text: string) => readonly string[] {
  return (text) => text.split(',').map((part) => parse(part.trim()))
}

function oneOf<const T extends string>(choices: readonly T[]): (text: string) => T {
  return (text) => {
    const choice = choices.find((candidate) => candidate === text)
    if (choice === undefined) throw new Error(`must be one of ${choices.join(', ')}`)
    return choice
  }
}
