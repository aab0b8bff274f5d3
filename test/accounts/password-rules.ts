import t from 'tap'
import { requireGoodPassword } from '../../src/accounts/password-rules.ts'
import { InvalidRequest } from '../../src/errors.ts'

const context = { email: 'Ada.Lovelace@engines.example', name: 'Ada Lovelace', host: 'id.meadow.example' }
const isGood = (password: string) => requireGoodPassword(password, context)

t.test('any characters will do, from 8 to 256 of them (ASVS V6.2.1, V6.2.5, V6.2.9)', async (t) => {
  const good = [
    'a few unrelated words',
    'all lower case',
    '    spaces    round    ',
    '🔑🔒🚪🏰🧱🏯🛡🗝',
    'ÄÖÜäöüß8',
    'x1!?'.repeat(64),
  ]
  for (const password of good) await t.resolves(isGood(password), password)
  for (const password of ['seven c', '', '🔑🔒🚪🏰🧱🏯🛡', `a b c d ${'x'.repeat(250)}`])
    await t.rejects(isGood(password), InvalidRequest)
})

t.test('what guessers try first is refused, in any case (ASVS V6.2.4, V6.2.12)', async (t) => {
  for (const password of [
    'password1234',
    'Password1234',
    'PASSWORD1',
    'qwertyuiop',
    'iloveyou1',
    'trustno1',
    'starwars',
    'baseball1',
  ]) {
    await t.rejects(isGood(password), InvalidRequest, password)
  }
  for (const password of ['aaaaaaaa', '12121212', '11111111111111'])
    await t.rejects(isGood(password), InvalidRequest, password)
})

t.test('the words of the account and of the service do not count (ASVS V6.2.11)', async (t) => {
  const refused = [
    'ada.lovelace@engines.example',
    'AdaLovelace1815',
    'lovelace-2026',
    'Gatehouse2026!',
    'gatehouse gatehouse gatehouse',
    'id.meadow.example',
    'MeadowMeadow1',
    'ａｄａｌｏｖｅｌａｃｅ１８１５',
  ]
  for (const password of refused) await t.rejects(isGood(password), InvalidRequest, password)
  await t.resolves(isGood('the gatehouse in the meadow is green'), 'but there may be other words around them')
})

t.test('an account without a name has fewer words', async (t) => {
  await t.resolves(requireGoodPassword('lovelace-2026', { email: 'a@b.example' }))
  await t.rejects(requireGoodPassword('gatehouse-26', { email: 'a@b.example', name: null }), InvalidRequest)
})
