import argon2 from 'argon2'
import t from 'tap'
import { hashPassword, isOutdated, verifyPassword } from '../../src/secrets/password.ts'

/** The parameters of a PHC string, in whatever order it names them. */
function parametersOf(phc: string): string[] {
  const [, parameters = ''] = /^\$argon2id\$v=19\$([^$]+)\$[\w+/]{22}\$[\w+/]{43}$/.exec(phc) ?? []
  return parameters.split(',').toSorted()
}

const TODAY = ['m=19456', 'p=1', 't=2']

t.test('a password is hashed by Argon2id, 19 MiB, two passes, one lane, with a salt of its own', async (t) => {
  const [one, other] = await Promise.all([hashPassword('the same'), hashPassword('the same')])
  t.strictSame(parametersOf(one), TODAY)
  t.strictSame(parametersOf(other), TODAY)
  t.not(one, other)
})

t.test('a password is compared exactly as received (ASVS V6.2.8)', async (t) => {
  for (const [password, ...others] of [
    ['correct horse', 'Correct horse', 'correct horse ', ' correct horse', 'correct', ''],
    ['x'.repeat(100), 'x'.repeat(72), 'x'.repeat(99), 'x'.repeat(101)],
    ['before\0after', 'before', 'before\0', 'before\0other'],
    ['caf\u00e9', 'cafe\u0301', 'cafe'],
    ['🔑🔑', '🔑', '🔒🔒'],
  ] as const) {
    const phc = await hashPassword(password)
    t.ok(await verifyPassword(phc, password), JSON.stringify(password))
    for (const other of others) t.notOk(await verifyPassword(phc, other), JSON.stringify(other))
  }
})

t.test('for an account that is not there the same work is done, and the answer is no (ASVS V6.3.8)', async (t) => {
  const work = t.capture(argon2, 'verify', argon2.verify)
  t.equal(await verifyPassword(undefined, 'a guess'), false)
  t.equal(await verifyPassword(undefined, 'a password nobody has'), false, 'whatever the password')
  const calls = work()
  t.equal(calls.length, 2)
  for (const { args } of calls) t.strictSame(parametersOf(args[0]), TODAY)
  t.strictSame(calls[0]?.args[1], Buffer.from('a guess'))
})

t.test('a hash made with other parameters is outdated', async (t) => {
  t.notOk(isOutdated(await hashPassword('a password')))
  const today = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const
  t.ok(isOutdated(await argon2.hash('a password', { ...today, memoryCost: 9_728 })))
  t.ok(isOutdated(await argon2.hash('a password', { ...today, timeCost: 3 })))
})
