import t from 'tap'
import { createFingerprint } from '../../src/secrets/fingerprint.ts'

/** The key and some of the answers of the authors' reference implementation: bytes 0, 1, 2 and so on under bytes 0 to 15. */
const KEY = Uint8Array.from({ length: 16 }, (_, index) => index)
const ANSWERS: readonly [length: number, answer: string][] = [
  [0, 'a3817f04ba25a8e66df67214c7550293'],
  [1, 'da87c1d86b99af44347659119b22fc45'],
  [8, '3b62a9ba6258f5610f83e264f31497b4'],
  [15, '5493e99933b0a8117e08ec0f97cfc3d9'],
]

const textOf = (length: number) => String.fromCharCode(...Array.from({ length }, (_, index) => index))
const hex = (fingerprint: string) => Buffer.from(fingerprint, 'utf16le').toString('hex')

for (const [length, answer] of ANSWERS) {
  t.test(`is SipHash-2-4 with 128 bits: ${length} bytes`, async (t) => {
    t.equal(hex(createFingerprint(KEY)(textOf(length))), answer)
  })
}

t.test('what was read before leaves no trace', async (t) => {
  const fingerprint = createFingerprint(KEY)
  const alone = fingerprint('short')
  fingerprint('x'.repeat(5_000))
  t.equal(fingerprint('short'), alone)
})

t.test('a text of any length, and one that differs from it anywhere', async (t) => {
  const fingerprint = createFingerprint()
  const seen = new Set<string>()
  for (const length of [1, 7, 8, 9, 54, 600, 16_384, 16_385, 70_000]) {
    const text = 'x'.repeat(length)
    t.equal(fingerprint(text), fingerprint(text))
    seen.add(fingerprint(text))
    seen.add(fingerprint(`${text.slice(0, -1)}y`))
    seen.add(fingerprint(`${text}\0`))
  }
  t.equal(seen.size, 27)
})

t.test('each process has a key of its own', async (t) => {
  t.not(createFingerprint()('text'), createFingerprint()('text'))
})
