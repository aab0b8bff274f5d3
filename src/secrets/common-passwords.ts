import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

/** The 49,233 most used passwords of leaks, in lower case, as a JSON list. */
const LIST = createRequire(import.meta.url).resolve('@zxcvbn-ts/language-common/src/passwords.json')

/**
 * Whether a password is one of the most used, in whatever case. The list is read each time, a fraction of what the
 * hash costs: a set of it would take megabytes in every process, for what happens a few times a day.
 */
export async function isCommonPassword(password: string): Promise<boolean> {
  const list = await readFile(LIST, 'utf8')
  return list.includes(JSON.stringify(password.toLowerCase()))
}
