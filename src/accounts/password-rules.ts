import { InvalidRequest } from '../errors.ts'
import { isCommonPassword } from '../secrets/common-passwords.ts'
import { PASSWORD_MAX_LENGTH, PASSWORD_MIN_LENGTH } from '../secrets/password.ts'

/** What a guesser knows of an account and of the service (ASVS V6.1.2). */
export interface PasswordContext {
  readonly email: string
  readonly name?: string | null | undefined
  /** The host people know the service by. */
  readonly host?: string | undefined
}

/** Shorter words are part of too many others. */
const SHORTEST_WORD = 3

/**
 * Judges a password that somebody chooses. Any characters will do (ASVS V6.2.5), but what is left without the words
 * of the account and the service must be long enough by itself (V6.2.11), and it must not be one of those that
 * guessers try first (V6.2.4, V6.2.12).
 * @throws {InvalidRequest}
 */
export async function requireGoodPassword(password: string, context: PasswordContext): Promise<void> {
  const length = charactersOf(password)
  if (length < PASSWORD_MIN_LENGTH || length > PASSWORD_MAX_LENGTH) {
    throw new InvalidRequest(`A password has ${PASSWORD_MIN_LENGTH} to ${PASSWORD_MAX_LENGTH} characters.`)
  }
  if (charactersOf(withoutWords(password, wordsOf(context))) < PASSWORD_MIN_LENGTH) {
    throw new InvalidRequest('The password is mostly made of the e-mail, the name or the name of this service.')
  }
  if (new Set(password).size < 4 || (await isCommonPassword(password))) {
    throw new InvalidRequest('The password is too easy to guess.')
  }
}

/** How many there are, as JSON schemas count them. */
const charactersOf = (text: string) => [...text].length

/** The words, the longest first. */
function wordsOf({ email, name, host }: PasswordContext): string[] {
  const texts = ['gatehouse', email, name ?? '', host ?? ''].map((text) => text.normalize('NFKC').toLowerCase())
  const words = texts.flatMap((text) => [text, ...text.split(/[^\p{L}\p{N}]+/u)])
  return words.filter(({ length }) => length >= SHORTEST_WORD).sort((a, b) => b.length - a.length)
}

function withoutWords(password: string, words: readonly string[]): string {
  return words.reduce((rest, word) => rest.replaceAll(word, ''), password.normalize('NFKC').toLowerCase())
}
