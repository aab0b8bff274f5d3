import type { Database } from '../database/client.ts'
import { type BackOff, createBackOff } from './back-off.ts'
import { createCounters, createLimit, type Limit } from './limits.ts'
import { createFailureLimit, createLocalLimit, type LocalLimit } from './local-limit.ts'

/** What is limited, how much and for how long. A network is an IPv4 address or an IPv6 /64. */
export interface Limits {
  /** Failed passwords, by account and network, or by device. */
  readonly passwords: BackOff
  /** Failed passwords of a network, whatever the account. */
  readonly passwordsOfNetwork: Limit
  /** Failed passwords of an account, whatever the network. */
  readonly passwordsOfAccount: Limit
  /** Accounts that a network makes. */
  readonly signUps: Limit
  /** Sign-ins that are begun at upstream providers, and answers of them that are not good, by network. */
  readonly upstreamSignIns: Limit
  /** One-time links that are not good, by network. */
  readonly oneTimeLinks: Limit
  /** Failed client authentications, by client and network. */
  readonly clientSecrets: Limit
  /** Dynamic registrations, by network. */
  readonly registrations: Limit
  /** Device authorization requests, by network. */
  readonly deviceRequests: Limit
  /** User codes that are typed, by network; a good one counts too. */
  readonly userCodesOfNetwork: Limit
  /** User codes that an account types (RFC 8628 5.1). */
  readonly userCodesOfAccount: Limit
  /** E-mails by which a client names people (CIBA 7.1), by client: it may be trying which have an account. */
  readonly backchannelHints: Limit
  /** Requests of a client to one person, by client and account. */
  readonly backchannelRequests: Limit
  /** How often a client may ask for one answer. */
  readonly polls: Limit
  /** API keys that an account makes. */
  readonly apiKeys: Limit
  /** Random values that nobody was given, as client, token or key, by network; judged first, so that neighbours lose nothing. */
  readonly unknownCredentials: LocalLimit
}

/** Seconds that a client waits between two questions for the answer of a person (RFC 8628 3.2). */
export const POLL_INTERVAL = 5

const MINUTE = 60
const HOUR = 60 * MINUTE

export function createLimits(db: Database, nameOf: (key: string) => string): Limits {
  const counters = createCounters(db, nameOf)
  const limit = (name: string, points: number, seconds: number) => createLimit(counters, name, points, seconds)
  return {
    passwords: createBackOff(db, nameOf, 'password'),
    passwordsOfNetwork: limit('passwords_of_network', 60, 5 * MINUTE),
    passwordsOfAccount: limit('passwords_of_account', 50, HOUR),
    signUps: limit('sign_ups', 300, HOUR),
    upstreamSignIns: limit('upstream_sign_ins', 120, 5 * MINUTE),
    oneTimeLinks: limit('one_time_links', 20, 5 * MINUTE),
    clientSecrets: createFailureLimit(limit('client_secrets', 30, 5 * MINUTE), createLocalLimit(30, 5 * MINUTE)),
    registrations: limit('registrations', 300, HOUR),
    deviceRequests: limit('device_requests', 300, HOUR),
    userCodesOfNetwork: limit('user_codes_of_network', 60, 5 * MINUTE),
    userCodesOfAccount: limit('user_codes_of_account', 10, 5 * MINUTE),
    backchannelHints: limit('backchannel_hints', 3_000, HOUR),
    backchannelRequests: limit('backchannel_requests', 30, HOUR),
    // A second less than clients are told to wait, since a request may be faster than the one before.
    polls: limit('polls', 1, POLL_INTERVAL - 1),
    apiKeys: limit('api_keys', 200, HOUR),
    unknownCredentials: createLocalLimit(3_000, MINUTE),
  }
}
