import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { fromCursor, toCursor } from '../../src/admin/page.ts'
import { canonical, link } from '../../src/audit/chain.ts'
import { fromStored, toStored } from '../../src/authorization-server/stored-payload.ts'
import { InvalidRequest } from '../../src/errors.ts'
import { requireWellFormedText } from '../../src/http/well-formed.ts'
import { API_SCOPES, isScopeToken, narrowToRole, scopesOfRole, splitScope } from '../../src/resources/scopes.ts'
import { anyText } from '../fixtures/arbitraries.ts'

const binary = anyText()
const moment = fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })

t.test('a cursor is the place it was made of, and has one spelling', async (t) => {
  const place = fc.record({ createdAt: moment, id: fc.uuid() })
  const there = fc.property(place, (place) => isDeepStrictEqual(fromCursor(toCursor(place)), { ...place }))
  t.doesNotThrow(() => fc.assert(there))

  const refusedOrSame = (text: string) => {
    try {
      return toCursor(fromCursor(text)) === text
    } catch (error) {
      return error instanceof InvalidRequest
    }
  }
  const character = fc.oneof(fc.stringMatching(/^[\w=+/-]$/), binary)
  const worn = fc.property(place, fc.nat(), character, fc.boolean(), (place, index, other, isAdded) => {
    const cursor = toCursor(place)
    const at = index % (cursor.length + 1)
    return refusedOrSame(cursor.slice(0, at) + other + cursor.slice(isAdded ? at : at + 1))
  })
  t.doesNotThrow(() => fc.assert(worn, { numRuns: 1_000 }))
  const encoded = binary.map((text) => Buffer.from(text).toString('base64url'))
  t.doesNotThrow(() => fc.assert(fc.property(fc.oneof(binary, encoded), refusedOrSame)))
})

/** The rule, written for any JSON by recursion. */
function isClean(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0')
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([name, member]) => isClean(name) && isClean(member))
}

/** How many steps it is to the innermost value. */
const depthOf = (value: unknown): number =>
  typeof value === 'object' && value !== null
    ? Math.max(0, ...Object.values(value).map((member) => 1 + depthOf(member)))
    : 0

t.test('a value is refused when text anywhere in it holds a NUL or half a surrogate pair', async (t) => {
  const text = fc.oneof(fc.string(), fc.constantFrom('\0', 'a\ud800', '\udc00', '\ud83d\ude00', '\ude00\ud83d'))
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ depthSize: 'small' }, text, fc.integer(), fc.constant(null), tie('list'), tie('object')),
    list: fc.array(tie('value'), { maxLength: 4 }),
    object: fc.dictionary(text, tie('value'), { maxKeys: 4 }),
  }))
  const property = fc.property(value, fc.nat(6), (value, most) => {
    const passes = (...limit: number[]) => {
      try {
        requireWellFormedText(value, ...limit)
        return true
      } catch (error) {
        if (!(error instanceof InvalidRequest)) throw error
        return false
      }
    }
    return passes() === isClean(value) && passes(most) === (isClean(value) && depthOf(value) <= most)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

t.test('a scope is its names, each once; no role widens it (RFC 6749 3.3)', async (t) => {
  const name = fc.oneof(
    fc.constantFrom(...Object.keys(API_SCOPES), '__proto__', 'constructor', 'toString'),
    fc.stringMatching(/^[!#-[\]-~]{1,12}$/),
  )
  const property = fc.property(
    fc.array(name),
    fc.constantFrom('user', 'admin', 'service'),
    binary,
    (names, role, any) => {
      const split = splitScope(names.join(' '))
      const narrowed = narrowToRole(split, role)
      return (
        JSON.stringify(split) === JSON.stringify([...new Set(names)]) &&
        JSON.stringify(splitScope(split.join(' '))) === JSON.stringify(split) &&
        split.every(isScopeToken) &&
        [...narrowed].every((each) => split.includes(each)) &&
        [...narrowed].every((each) => !Object.hasOwn(API_SCOPES, each) || scopesOfRole(role).has(each)) &&
        isScopeToken(any) === /^[\x21\x23-\x5B\x5D-\x7E]+$/.test(any)
      )
    },
  )
  t.doesNotThrow(() => fc.assert(property))
})

t.test('what is stored of a model is all of it but its identifier', async (t) => {
  const id = fc.stringMatching(/^[\w-]{21,43}$/)
  const extra = fc.dictionary(fc.stringMatching(/^x[a-z]{1,8}$/), fc.jsonValue(), { maxKeys: 4 })
  const property = fc.property(id, extra, fc.boolean(), fc.boolean(), (id, extra, hasReturn, hasSession) => {
    fc.pre(!JSON.stringify(extra).includes(id))
    const payload = {
      ...extra,
      jti: id,
      ...(hasReturn ? { returnTo: `https://id.example/oauth/authorize/${id}` } : {}),
      ...(hasSession ? { session: { uid: 'u', cookie: id } } : {}),
    }
    const stored = toStored(id, structuredClone(payload))
    const back = fromStored(id, JSON.parse(JSON.stringify(stored)))
    const { cookie: _, ...session } = (payload.session ?? {}) as Record<string, unknown>
    const expected = { ...payload, ...(hasSession ? { session } : {}) }
    return isDeepStrictEqual(back, JSON.parse(JSON.stringify(expected))) && !JSON.stringify(stored).includes(id)
  })
  t.doesNotThrow(() => fc.assert(property))
})

t.test('JSON in canonical form is the same value, whatever the order of its members (RFC 8785)', async (t) => {
  const json = fc.jsonValue({ maxDepth: 4 })
  const property = fc.property(fc.dictionary(fc.string(), json), fc.string(), (object, before) => {
    const text = canonical(object)
    const turned = Object.fromEntries(Object.entries(object).reverse())
    const event = (value: object) => ({
      day: '2026-01-01',
      seq: 1,
      id: 1,
      at: 'x',
      type: 't',
      outcome: 'o',
      details: value,
    })
    return (
      isDeepStrictEqual(JSON.parse(text), JSON.parse(JSON.stringify(object))) &&
      canonical(turned) === text &&
      canonical(JSON.parse(text)) === text &&
      link(before, event(object)) === link(before, event(turned)) &&
      link(`${before}x`, event(object)) !== link(before, event(object)) &&
      link(before, event({ ...object, '': [text] })) !== link(before, event(object))
    )
  })
  t.doesNotThrow(() => fc.assert(property))
})
