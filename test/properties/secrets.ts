import fc from 'fast-check'
import t from 'tap'
import { isApiKeyForm, makeApiKey, shownPrefix } from '../../src/secrets/api-key.ts'
import { createFingerprint } from '../../src/secrets/fingerprint.ts'
import { digest } from '../../src/secrets/opaque-token.ts'
import { createSealer } from '../../src/secrets/sealed.ts'
import { createSuccessors } from '../../src/secrets/successors.ts'
import { anyText, latin1Text } from '../fixtures/arbitraries.ts'

const prefix = fc.stringMatching(/^[a-z][a-z0-9]{0,5}_[a-z0-9]{1,6}_$/)
const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
const character = fc.oneof(fc.stringMatching(/^[\w-]$/), anyText({ minLength: 1, maxLength: 1 }))

/** A text with one character changed, taken out or put in; undefined when that leaves it as it is. */
function worn(text: string, place: number, other: string, way: 'change' | 'drop' | 'add'): string | undefined {
  const at = place % text.length
  const changed = text.slice(0, at) + (way === 'drop' ? '' : other) + text.slice(way === 'add' ? at : at + 1)
  return changed === text ? undefined : changed
}

const wear = fc.tuple(fc.nat(), character, fc.constantFrom('change', 'drop', 'add'))

t.test('an API key is one, and none once a character is changed, gone or added', async (t) => {
  const property = fc.property(prefix, wear, (ours, [place, other, way]) => {
    const made = makeApiKey(ours)
    const changed = worn(made, place, other, way)
    return (
      isApiKeyForm(ours, made) &&
      made.startsWith(shownPrefix(ours, made)) &&
      (changed === undefined || !isApiKeyForm(ours, changed))
    )
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

t.test('whether a text is an API key is always told', async (t) => {
  const text = fc.oneof(anyText({ maxLength: 80 }), fc.stringMatching(/^gk_live_[0-9A-Za-z]{49}$/))
  t.doesNotThrow(() => fc.assert(fc.property(text, (text) => isApiKeyForm('gk_live_', text) === false)))
})

t.test('two texts have one fingerprint only when they are the same, whatever came between', async (t) => {
  const fingerprint = createFingerprint()
  const latin1 = latin1Text(300)
  const property = fc.property(latin1, latin1, fc.nat(40), (one, other, zeros) => {
    const before = fingerprint(one)
    const others = [fingerprint(other), fingerprint(one + '\0'.repeat(zeros))]
    return (
      before.length === 8 &&
      fingerprint(one) === before &&
      (others[0] === before) === (one === other) &&
      (others[1] === before) === (zeros === 0)
    )
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

t.test('what is sealed is opened for its purpose alone, whole, and by any key of the ring', async (t) => {
  const property = fc.asyncProperty(
    fc.string(),
    fc.uniqueArray(key, { minLength: 2, maxLength: 3, comparator: (a, b) => Buffer.compare(a, b) === 0 }),
    wear,
    async (text, keys, [place, other, way]) => {
      const [first] = keys as [Uint8Array]
      const sealed = await createSealer([first]).seal('a', text)
      const opens = (sealer: Uint8Array[], purpose: string, what: string) =>
        createSealer(sealer)
          .open(purpose, what)
          .then(
            (opened) => opened === text,
            () => false,
          )
      const changed = worn(sealed, place, other, way)
      return (
        (await opens([first], 'a', sealed)) &&
        (await opens([...keys].reverse(), 'a', sealed)) &&
        !(await opens([first], 'b', sealed)) &&
        !(await opens(keys.slice(1), 'a', sealed)) &&
        (changed === undefined || !(await opens([first], 'a', changed)))
      )
    },
  )
  await t.resolves(fc.assert(property, { numRuns: 100 }))
})

t.test('a successor is found by its digest, and by that of no other', async (t) => {
  const token = fc.stringMatching(/^[\w-]{43}$/)
  const property = fc.property(key, key, token, token, (one, two, parent, other) => {
    const before = createSuccessors(createSealer([one]), 'refresh_token')
    const after = createSuccessors(createSealer([two, one]), 'refresh_token')
    const elsewhere = createSuccessors(createSealer([one]), 'first_party_session')
    const successor = before.of(parent)
    return (
      after.withDigest(parent, digest(successor)) === successor &&
      after.digestsOf(parent).includes(digest(successor)) &&
      elsewhere.of(parent) !== successor &&
      (other === parent || before.withDigest(other, digest(successor)) === undefined)
    )
  })
  t.doesNotThrow(() => fc.assert(property))
})
