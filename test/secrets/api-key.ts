import t from 'tap'
import { isApiKeyForm, makeApiKey, shownPrefix } from '../../src/secrets/api-key.ts'

const PREFIX = 'gk_live_'
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

t.test('a new key has the form of a key: prefix, 43 random characters, 6 of checksum', async (t) => {
  const key = makeApiKey(PREFIX)
  t.match(key, /^gk_live_[0-9A-Za-z]{49}$/)
  t.ok(isApiKeyForm(PREFIX, key))
  t.not(makeApiKey(PREFIX), key)
})

t.test('any one character changed, and any two neighbours swapped, is told by the checksum', async (t) => {
  const key = makeApiKey(PREFIX)
  const taken: string[] = []
  for (let place = 0; place < key.length; place += 1) {
    for (const character of ALPHABET) {
      const typo = key.slice(0, place) + character + key.slice(place + 1)
      if (typo !== key && isApiKeyForm(PREFIX, typo)) taken.push(typo)
    }
    const swapped = key.slice(0, place) + key.charAt(place + 1) + key.charAt(place) + key.slice(place + 2)
    if (swapped !== key && isApiKeyForm(PREFIX, swapped)) taken.push(swapped)
  }
  t.strictSame(taken, [])
})

t.test('other texts are no keys', async (t) => {
  const key = makeApiKey(PREFIX)
  const texts = [
    '',
    PREFIX,
    key.slice(0, -1),
    `${key}0`,
    ` ${key}`,
    `${key}\n`,
    key.slice(PREFIX.length),
    'x'.repeat(57),
  ]
  for (const text of texts) t.notOk(isApiKeyForm(PREFIX, text), JSON.stringify(text))
  t.notOk(isApiKeyForm('gk_test_', key), 'a key of another prefix')
  t.notOk(isApiKeyForm(PREFIX, `gk_test_${key.slice(PREFIX.length)}`), 'a prefix replaced')
})

t.test('the part that is shown gives four characters of the key away', async (t) => {
  const key = makeApiKey(PREFIX)
  t.equal(shownPrefix(PREFIX, key), key.slice(0, PREFIX.length + 4))
})
