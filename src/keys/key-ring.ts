import { type CryptoKey, importJWK, type JWK } from 'jose'
import { isCurrent, isRetired, type Purpose, type SigningAlg } from './schedule.ts'
import type { SigningKey } from './signing-keys.ts'

/** The keys in force in this process; {@link KeyRing.replace} swaps them all at once. */
export interface KeyRing {
  /** The private JWKs of a purpose: those that sign first, then those that will, then those that did. */
  privateJwks(purpose: Purpose): JWK[]
  /** The key that signs for a purpose, by an algorithm if one is named, with its private part imported. */
  signer(purpose: Purpose, alg?: SigningAlg): Promise<{ kid: string; alg: string; key: CryptoKey }>
  /** The public key with this `kid`, when it serves this purpose and algorithm; else undefined. */
  verifier(purpose: Purpose, kid: unknown, alg: unknown): Promise<CryptoKey | undefined>
  /** Puts other keys in force. Returns whether they differ from the ones before. */
  replace(keys: readonly SigningKey[]): boolean
  /** Has a listener told from now on, each time other keys were put in force. */
  onReplaced(listener: () => void): void
}

export function createKeyRing(initial: readonly SigningKey[]): KeyRing {
  let keys = initial
  let imported = new Map<string, Promise<CryptoKey>>()
  const listeners = new Set<() => void>()

  const once = (name: string, jwk: JWK, alg: string): Promise<CryptoKey> => {
    let key = imported.get(name)
    if (key === undefined) {
      key = importJWK(jwk, alg) as Promise<CryptoKey>
      imported.set(name, key)
    }
    return key
  }

  return {
    privateJwks: (purpose) => keys.filter((key) => key.purpose === purpose).map((key) => key.privateJwk),

    async signer(purpose, by) {
      const found = keys.find((key) => key.purpose === purpose && isCurrent(key) && key.alg === (by ?? key.alg))
      if (found === undefined) throw new Error(`no key signs for ${purpose}`)
      const key = await once(`private ${found.kid}`, found.privateJwk, found.alg)
      return { kid: found.kid, alg: found.alg, key }
    },

    async verifier(purpose, kid, alg) {
      const found = keys.find((key) => key.kid === kid && key.purpose === purpose && key.alg === alg)
      return found && once(`public ${found.kid}`, found.publicJwk, found.alg)
    },

    replace(next) {
      const names = (list: readonly SigningKey[]) =>
        list.map((key) => `${key.kid} ${isCurrent(key)} ${isRetired(key)}`).join()
      if (names(next) === names(keys)) return false
      keys = next
      imported = new Map()
      for (const listener of listeners) listener()
      return true
    },

    onReplaced: (listener) => void listeners.add(listener),
  }
}
