import { randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** 43 characters of 62 are 256 bits. */
const RANDOM_LENGTH = 43
const CHECKSUM_LENGTH = 6
const SHOWN_LENGTH = 4

/** A new API key: prefix, 256 random bits in base62, and a CRC-32 that tells a typo from a key. */
export function makeApiKey(prefix: string): string {
  let random = ''
  while (random.length < RANDOM_LENGTH) random += ALPHABET[randomInt(ALPHABET.length)]
  return prefix + random + checksum(prefix + random)
}

/**
 * Whether a value has the form of an API key with this prefix: length, alphabet and checksum.
 * Says nothing of whether such a key was ever issued.
 */
export function isApiKeyForm(prefix: string, value: string): boolean {
  if (value.length !== prefix.length + RANDOM_LENGTH + CHECKSUM_LENGTH) return false
  if (!value.startsWith(prefix) || !/^[0-9A-Za-z]+$/.test(value.slice(prefix.length))) return false
  const body = value.slice(0, -CHECKSUM_LENGTH)
  return value.slice(-CHECKSUM_LENGTH) === checksum(body)
}

/** The start of a key, by which its owner recognises it in a list. */
export function shownPrefix(prefix: string, key: string): string {
  return key.slice(0, prefix.length + SHOWN_LENGTH)
}

function checksum(body: string): string {
  let rest = crc32(body)
  let text = ''
  for (let i = 0; i < CHECKSUM_LENGTH; i += 1) {
    text = ALPHABET[rest % ALPHABET.length] + text
    rest = Math.floor(rest / ALPHABET.length)
  }
  return text
}
