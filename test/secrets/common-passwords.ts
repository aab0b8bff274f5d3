import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import t from 'tap'
import { isCommonPassword } from '../../src/secrets/common-passwords.ts'

const path = createRequire(import.meta.url).resolve('@zxcvbn-ts/language-common/src/passwords.json')
const list: string[] = JSON.parse(readFileSync(path, 'utf8'))

t.test('the list has the 10,000 most used passwords and more, the most used first (ASVS V6.2.4)', async (t) => {
  t.ok(list.length >= 10_000)
  t.strictSame(list.slice(0, 3), ['123456', 'password', '12345678'])
  t.ok(list.every((password) => typeof password === 'string' && password === password.toLowerCase()))
})

t.test('whole passwords are found, in whatever case', async (t) => {
  const some = list.filter((_, index) => index < 20 || index % 5_000 === 0)
  for (const password of [...some, 'PassWord', 'QWERTYUIOP', list.at(-1) ?? ''])
    t.ok(await isCommonPassword(password), password)
})

t.test('others are not', async (t) => {
  const others = ['a few unrelated words', 'password,qwerty', 'password","12345678', '', '"', '","', '\\', 'ÄÖÜäöüß8']
  for (const password of others) t.notOk(await isCommonPassword(password), password)
})
