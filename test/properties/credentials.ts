import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { challenge } from '../../src/credentials/challenge.ts'
import { apiKeyHeader, bearerToken, jwsHeader, requireForm } from '../../src/credentials/presented.ts'
import { InsufficientScope, InvalidCredential, InvalidRequest, PublicError } from '../../src/errors.ts'
import { anyText } from '../fixtures/arbitraries.ts'

const requestWith = (headers: Record<string, unknown>) => ({ headers }) as FastifyRequest
const binary = anyText({ maxLength: 60 })
const b64token = fc.stringMatching(/^[A-Za-z0-9\-._~+/]{1,40}={0,2}$/)
const BASE64URL = /^[A-Za-z0-9_-]+$/

t.test('a Bearer header is one token or malformed, another scheme is none (RFC 6750 2.1)', async (t) => {
  const scheme = fc.constantFrom('Bearer', 'bearer', 'BEARER', 'bEaReR')
  const good = fc.property(scheme, fc.nat(3), b64token, fc.nat(2), (name, before, token, after) => {
    const authorization = `${name}${' '.repeat(before + 1)}${token}${' '.repeat(after)}`
    return bearerToken(requestWith({ authorization })) === token
  })
  t.doesNotThrow(() => fc.assert(good))

  const any = fc.property(
    fc.oneof(
      binary,
      binary.map((text) => `Bearer ${text}`),
    ),
    (authorization) => {
      try {
        const token = bearerToken(requestWith({ authorization }))
        return token === undefined ? !/^bearer(\s|$)/i.test(authorization) : authorization.trim().endsWith(token)
      } catch (error) {
        return error instanceof InvalidRequest && /^bearer(\s|$)/i.test(authorization)
      }
    },
  )
  t.doesNotThrow(() => fc.assert(any, { numRuns: 500 }))
})

t.test('an X-API-Key header is taken as it is', async (t) => {
  t.doesNotThrow(() => fc.assert(fc.property(binary, (key) => apiKeyHeader(requestWith({ 'x-api-key': key })) === key)))
})

const encode = (bytes: string | Uint8Array) => Buffer.from(bytes).toString('base64url')
const part = fc.uint8Array({ minLength: 1, maxLength: 40 }).map(encode)
const header = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 })

t.test('a compact JWS has one spelling (RFC 7515 2, RFC 8725bis 3.14)', async (t) => {
  const compact = fc.tuple(header, part, part).map(([head, body, signature]) => ({
    head,
    token: `${encode(JSON.stringify(head))}.${body}.${signature}`,
  }))
  const taken = fc.property(compact, ({ head, token }) =>
    isDeepStrictEqual(jwsHeader(token), JSON.parse(JSON.stringify(head))),
  )
  t.doesNotThrow(() => fc.assert(taken))

  const respelled = fc.property(compact, fc.nat(2), fc.nat(), binary, ({ token }, index, place, noise) => {
    const parts = token.split('.')
    const text = parts[index] ?? ''
    const at = place % (text.length + 1)
    const other = text.slice(0, at) + noise + text.slice(at)
    const found = jwsHeader(parts.with(index, other).join('.'))
    const isCanonical = BASE64URL.test(other) && encode(Buffer.from(other, 'base64url')) === other
    return found === undefined || isCanonical
  })
  t.doesNotThrow(() => fc.assert(respelled, { numRuns: 500 }))

  const spare = fc.property(compact, fc.nat(2), fc.stringMatching(/^[\w-]$/), ({ token }, index, last) => {
    const parts = token.split('.')
    const text = parts[index] ?? ''
    const other = text.slice(0, -1) + last
    const same = Buffer.from(other, 'base64url').equals(Buffer.from(text, 'base64url'))
    return other === text || !same || jwsHeader(parts.with(index, other).join('.')) === undefined
  })
  t.doesNotThrow(() => fc.assert(spare, { numRuns: 500 }))
})

t.test('whatever else is presented is none, and told so in a time that grows with its length alone', async (t) => {
  const property = fc.property(binary, fc.integer({ min: 0, max: 4 }), (text, dots) => {
    const found = jwsHeader(`${text}${'.'.repeat(dots)}`)
    return found === undefined || typeof found === 'object'
  })
  t.doesNotThrow(() => fc.assert(property))
  const startedAt = performance.now()
  for (const text of ['A'.repeat(16_000), 'A.'.repeat(8_000), `${'A'.repeat(15_000)}.~`, '.'.repeat(16_000)]) {
    for (let times = 0; times < 20; times += 1) t.equal(jwsHeader(text), undefined)
  }
  t.ok(performance.now() - startedAt < 10_000, 'not by its square')
})

t.test('a claim is text of its form, or refused', async (t) => {
  const property = fc.property(fc.oneof(fc.jsonValue(), fc.stringMatching(/^[0-9a-f]{1,8}$/)), (claim) => {
    try {
      return /^[0-9a-f]+$/.test(requireForm(claim, /^[0-9a-f]+$/)) && typeof claim === 'string'
    } catch (error) {
      return error instanceof InvalidCredential
    }
  })
  t.doesNotThrow(() => fc.assert(property))
})

t.test('a challenge is one, whatever the error says (RFC 6750 3)', async (t) => {
  const property = fc.property(fc.constantFrom(400, 401, 403), binary, fc.boolean(), (status, text, isDpop) => {
    const [value = '', ...more] = challenge(new PublicError(status, 'x', text), {
      resourceMetadata: 'https://id.example/m',
      isDpop,
    })
    if (more.length > 0) return false
    return /^(Bearer|DPoP) [a-z_]+="[\x20\x21\x23-\x5B\x5D-\x7E]*"(, [a-z_]+="[\x20\x21\x23-\x5B\x5D-\x7E]*")*$/.test(
      value,
    )
  })
  t.doesNotThrow(() => fc.assert(property))
  t.match(
    challenge(new InsufficientScope('keys:read'), { resourceMetadata: 'https://id.example/m', isDpop: false })[0],
    /scope="keys:read"/,
  )
})
