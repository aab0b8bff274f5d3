import { hash, hkdfSync } from 'node:crypto'
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose'

/** Encryption at rest under a ring of keys: the first seals, all open. */
export interface Sealer {
  /** A compact JWE (`dir`, A256GCM) of the text, bound to `purpose`. */
  seal(purpose: string, text: string): Promise<string>
  /**
   * The text of a JWE sealed for `purpose` under any key of the ring.
   * @throws when the key is not in the ring, the purpose is another, or a character was changed
   */
  open(purpose: string, sealed: string): Promise<string>
  /** Whether it is sealed under the first key of the ring. */
  isSealedUnderFirst(sealed: string): boolean
  /** Keys of 256 bits for `purpose`, derived from the ring in its order. */
  derive(purpose: string): Uint8Array[]
}

/** @param keys 32 bytes each, at least one; the first is the one that seals */
export function createSealer(keys: readonly Uint8Array[]): Sealer {
  const [first] = keys
  if (first === undefined) throw new TypeError('a sealer needs at least one key')

  return {
    seal(purpose, text) {
      return new CompactEncrypt(new TextEncoder().encode(text))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: keyId(first) })
        .encrypt(deriveKey(first, `seal:${purpose}`))
    },
    async open(purpose, sealed) {
      if (!isCanonical(sealed)) throw new Error(`what was sealed for ${purpose} is not canonical base64url`)
      const { plaintext } = await compactDecrypt(
        sealed,
        ({ kid }) => {
          const key = keys.find((candidate) => keyId(candidate) === kid)
          if (key === undefined) throw new Error(`no key of SECRET_KEYS opens what was sealed for ${purpose}`)
          return deriveKey(key, `seal:${purpose}`)
        },
        { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] },
      )
      return new TextDecoder().decode(plaintext)
    },
    isSealedUnderFirst: (sealed) => decodeProtectedHeader(sealed).kid === keyId(first),
    derive: (purpose) => keys.map((key) => deriveKey(key, `derive:${purpose}`)),
  }
}

/** Whether each part is the one base64url of its bytes (RFC 4648 3.5): a decoder overlooks bits after the last byte. */
function isCanonical(sealed: string): boolean {
  return sealed.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)
}

/** A name for a key that does not give it away. */
function keyId(key: Uint8Array): string {
  return hash('sha256', deriveKey(key, 'kid'), 'base64url').slice(0, 12)
}

function deriveKey(key: Uint8Array, info: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, new Uint8Array(0), `gatehouse/${info}`, 32))
}
