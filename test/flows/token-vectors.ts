import { inspect } from 'node:util'
import { decodeJwt } from 'jose'
import t, { type Test } from 'tap'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { respellings } from '../fixtures/jws.ts'
import { signText } from '../fixtures/keys.ts'
import { makePerson, signIn } from '../fixtures/people.ts'
import { rawRequest } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)
const { redeem } = await authorize(server, await makeClient(server), person)
const GOOD = {
  'an access token': { token: (await redeem()).access_token, purpose: 'authorization_server' },
  'a first-party JWT': { token: (await signIn(server, person)).accessToken, purpose: 'first_party' },
} as const

/** As it is sent, by a client that does not look at it. */
const statusOf = async (token: string) =>
  (
    await rawRequest(server, '/api/me', {
      headers: { authorization: Buffer.from(`Bearer ${token}`).toString('latin1') },
    })
  ).status

async function isRefused(t: Test, token: string, name: string): Promise<void> {
  const status = await statusOf(token)
  t.ok([400, 401].includes(status), `${name}: ${status}`)
}

/** The order of P-256, and numbers of 32 bytes. */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const bytes = (number: bigint, length = 32) => Buffer.from(number.toString(16).padStart(2 * length, '0'), 'hex')
const pair = (r: bigint, s: bigint) => Buffer.concat([bytes(r), bytes(s)])

/** Signatures that are none, after the special cases of Wycheproof's `ecdsa_secp256r1_sha256_p1363`. */
function signatures(good: Buffer): Record<string, Buffer> {
  const [r, s] = [good.subarray(0, 32), good.subarray(32)]
  const [rNumber, sNumber] = [r, s].map((half) => BigInt(`0x${half.toString('hex')}`)) as [bigint, bigint]
  const positive = (half: Buffer) => ((half[0] ?? 0) > 127 ? Buffer.concat([Buffer.of(0), half]) : half)
  const integer = (half: Buffer) => Buffer.concat([Buffer.of(2, positive(half).length), positive(half)])
  const sequence = Buffer.concat([integer(r), integer(s)])
  return {
    'r and s are 0 (CVE-2022-21449)': pair(0n, 0n),
    'r is 0': pair(0n, sNumber),
    's is 0': pair(rNumber, 0n),
    'r is 0, s is 1': pair(0n, 1n),
    'r is 1, s is 0': pair(1n, 0n),
    'r and s are 1': pair(1n, 1n),
    'r and s are the order': pair(N, N),
    'r is the order': pair(N, sNumber),
    's is the order': pair(rNumber, N),
    'r is the order less 1': pair(N - 1n, N - 1n),
    'r and s are all ones': Buffer.alloc(64, 0xff),
    'r and s change places': Buffer.concat([s, r]),
    'r is twice there': Buffer.concat([r, r]),
    DER: Buffer.concat([Buffer.of(0x30, sequence.length), sequence]),
    'without its last byte': good.subarray(0, 63),
    'without its first byte': good.subarray(1),
    'half of it': r,
    'a zero behind': Buffer.concat([good, Buffer.of(0)]),
    'a zero before': Buffer.concat([Buffer.of(0), good]),
    'zeros before each half': Buffer.concat([Buffer.of(0), r, Buffer.of(0), s]),
    'of P-384': Buffer.concat([Buffer.alloc(16), r, Buffer.alloc(16), s]),
    twice: Buffer.concat([good, good]),
    nothing: Buffer.alloc(0),
    'a byte': Buffer.of(0),
  }
}

for (const [kind, { token, purpose }] of Object.entries(GOOD)) {
  const [head = '', body = '', signature = ''] = token.split('.')

  t.test(`${kind}: signatures that are none (Wycheproof)`, async (t) => {
    t.equal(await statusOf(token), 200)
    for (const [name, forged] of Object.entries(signatures(Buffer.from(signature, 'base64url')))) {
      await isRefused(t, `${head}.${body}.${forged.toString('base64url')}`, name)
    }
  })

  t.test(`${kind}: another spelling (Wycheproof, RFC 8725bis 3.14)`, async (t) => {
    for (const [name, other] of Object.entries(respellings(token))) {
      // The end of a header line is not part of it (RFC 9110 5.5), nor is a space behind the token (RFC 6750 2.1).
      if (/[\r\n]/.test(other) || other.trim() === token) continue
      await isRefused(t, other, name)
    }
  })

  t.test(`${kind}: text that is no UTF-8, or JSON in another form (RFC 8725 3.7, RFC 7519 7.2)`, async (t) => {
    const claims = JSON.stringify(decodeJwt(token))
    const header = Buffer.from(head, 'base64url').toString()
    const sign = (header: string | Buffer, payload: string | Buffer) =>
      signText(
        server,
        `${Buffer.from(header as string).toString('base64url')}.${Buffer.from(payload as string).toString('base64url')}`,
        purpose,
      )
    t.equal(await statusOf(await sign(header, claims)), 200)
    const open = (text: string, inserted: Buffer) =>
      Buffer.concat([Buffer.from(text.slice(0, -1)), inserted, Buffer.from('}')])
    for (const bad of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82]]) {
      const member = Buffer.concat([Buffer.from(',"x":"'), Buffer.from(bad), Buffer.from('"')])
      await isRefused(t, await sign(header, open(claims, member)), `claims with ${inspect(bad)}`)
    }
    const payloads = [
      '',
      ' ',
      'null',
      '[]',
      '""',
      '{',
      `${claims}x`,
      `${claims}${claims}`,
      claims.slice(1),
      `\ufeff{`,
      "{'a':1}",
    ]
    for (const payload of payloads) await isRefused(t, await sign(header, payload), inspect(payload).slice(0, 12))
    for (const bad of ['', 'null', '[]', '"x"', '{', `${header}x`, '{}']) {
      await isRefused(t, await sign(bad, claims), `a header of ${bad.slice(0, 8)}`)
    }
  })
}

t.test('none of this made the server fail', async (t) => {
  t.strictSame(
    server.log.filter((line) => JSON.parse(line).level >= 50),
    [],
  )
})
