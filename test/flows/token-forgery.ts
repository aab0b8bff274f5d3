import { once } from 'node:events'
import { createServer } from 'node:http'
import { inspect } from 'node:util'
import {
  CompactEncrypt,
  type CryptoKey,
  decodeJwt,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose'
import t, { type Test } from 'tap'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { formsOfKey, WRONG_ALGS } from '../fixtures/jws.ts'
import { part, signAs, signText } from '../fixtures/keys.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const person = await makePerson(server)
const client = await makeClient(server)
const { redeem } = await authorize(server, client, person)
const { access_token: accessToken } = await redeem()
const { accessToken: firstPartyToken } = await signIn(server, person)
const { keys: published } = (await (await server.fetch('/oauth/jwks')).json()) as { keys: (JWK & { kid: string })[] }

/** Both kinds of JWT that the API takes: a good one, and how the server would sign another. */
const KINDS = {
  'access token': {
    good: accessToken,
    sign: (claims: object, header = {}) => signAs(server, claims, { typ: 'at+jwt', ...header }),
  },
  'first-party JWT': {
    good: firstPartyToken,
    sign: (claims: object, header = {}) => signAs(server, claims, { typ: 'first-party+jwt', ...header }, 'first_party'),
  },
}

async function isRefused(t: Test, token: string, name: string): Promise<void> {
  const response = await server.fetch('/api/me', { headers: bearer(token) })
  t.equal(response.status, 401, name)
  t.match(response.headers.get('www-authenticate'), /^Bearer error="invalid_token"/)
}

const header = (token: string) => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as object

for (const [kind, { good, sign }] of Object.entries(KINDS)) {
  const claims = decodeJwt(good)
  const [head = '', body = '', signature = ''] = good.split('.')
  const now = Math.floor(Date.now() / 1000)

  t.test(`${kind}: the forgeries that follow differ from a good one in one thing`, async (t) => {
    for (const token of [good, await sign(claims)]) {
      t.equal((await server.fetch('/api/me', { headers: bearer(token) })).status, 200)
    }
  })

  t.test(`${kind}: unsigned (RFC 8725 3.2, ASVS V9.1.2)`, async (t) => {
    await isRefused(t, `${head}.${body}.`, 'the signature is missing')
    await isRefused(t, `${head}.${body}`, 'with its dot')
    for (const alg of [...WRONG_ALGS, 'RS256']) {
      const unsigned = `${part({ ...header(good), alg })}.${body}`
      await isRefused(t, `${unsigned}.`, `alg ${alg}`)
      await isRefused(t, `${unsigned}.${signature}`, `alg ${alg}, with a signature`)
    }
  })

  t.test(`${kind}: signed with a public key as a secret (RFC 8725 2.1, ASVS V9.1.2)`, async (t) => {
    for (const jwk of published) {
      for (const [form, secret] of await formsOfKey(jwk)) {
        const forged = new SignJWT(claims).setProtectedHeader({ ...header(good), alg: 'HS256', kid: jwk.kid })
        await isRefused(t, await forged.sign(Buffer.from(secret)), `${jwk.alg}, ${form}`)
      }
    }
  })

  t.test(`${kind}: another type (RFC 9068 4, RFC 8725 3.11)`, async (t) => {
    for (const typ of ['JWT', 'jwt', 'at', 'logout+jwt', 'dpop+jwt', 'secevent+jwt', '', null, undefined]) {
      await isRefused(t, await sign(claims, { typ }), `typ ${typ}`)
    }
    await isRefused(t, await sign(claims, { crit: ['x'], x: 1 }), 'what it must not overlook (RFC 7515 4.1.11)')
    await isRefused(t, await sign(claims, { b64: false, crit: ['b64'] }), 'an unencoded payload (RFC 7797)')
  })

  t.test(`${kind}: other claims (RFC 9068 4, RFC 8725 3.8-3.9, ASVS V9.2)`, async (t) => {
    const changes: Record<string, unknown>[] = [
      ...['https://other.example', `${claims.iss}/`, server.url.toUpperCase(), '', null, undefined].map((iss) => ({
        iss,
      })),
      ...['https://other.example', `${claims.aud}/`, client.id, [], [''], '', null, undefined].map((aud) => ({ aud })),
      ...[now - 1, now, 0, -1, -1e308, 1e308, Number.MAX_SAFE_INTEGER, `${now + 60}`, true, null, undefined].map(
        (exp) => ({ exp }),
      ),
      ...[now + 3600, `${now - 60}`, null].map((nbf) => ({ nbf })),
      ...[`${now}`, 1e308, null, undefined].map((iat) => ({ iat })),
      ...[undefined, null, '', 1, [person.id], `${person.id}\0`, "' or ''='"].map((sub) => ({ sub })),
      { jti: undefined },
      ...(kind === 'access token'
        ? [
            { client_id: undefined },
            { client_id: 'client_unknown' },
            { client_id: person.id },
            { grant_id: undefined },
            { grant_id: 'unknown' },
            { grant_id: `${claims.grant_id}\0` },
            { cnf: { jkt: 'a key that was not proven' } },
          ]
        : [{ sid: undefined }, { sid: 'unknown' }, { sid: `${claims.sid}\0` }, { auth_time: undefined }]),
    ]
    for (const change of changes) await isRefused(t, await sign({ ...claims, ...change }), inspect(change))
    for (const payload of ['text', 1, null, [claims]])
      await isRefused(t, await sign(payload as object), inspect(payload))
  })

  t.test(`${kind}: a hostile kid (RFC 8725 3.10, ASVS V9.1.3)`, async (t) => {
    const others = published.map((jwk) => jwk.kid).filter((kid) => !JSON.stringify(header(good)).includes(kid))
    const hostile = [
      "' or 1=1 --",
      '../../../../dev/null',
      '/etc/passwd',
      'x'.repeat(10_000),
      '\0',
      '__proto__',
      'constructor',
    ]
    for (const kid of [...others, ...hostile, '', 0, [], {}, null, undefined]) {
      await isRefused(t, await sign(claims, { kid }), inspect(kid).slice(0, 40))
    }
  })

  t.test(`${kind}: a key of its own, which nobody fetches (RFC 8725 3.10, ASVS V9.1.3)`, async (t) => {
    let hits = 0
    const listener = createServer((_request, response) => {
      hits += 1
      response.end('{"keys":[]}')
    }).listen(0, '127.0.0.1')
    await once(listener, 'listening')
    t.teardown(() => listener.close())
    const url = `http://127.0.0.1:${(listener.address() as { port: number }).port}/jwks`
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = await exportJWK(publicKey)
    for (const own of [
      { jwk },
      { jku: url },
      { x5u: url },
      { x5c: ['MIIB'] },
      { jku: url, kid: 'own' },
      { kid: url },
      { iss: url },
    ]) {
      const forged = new SignJWT(claims).setProtectedHeader({ ...header(good), alg: 'ES256', ...own })
      await isRefused(t, await forged.sign(privateKey), Object.keys(own).join())
    }
    t.equal(hits, 0)
  })

  t.test(`${kind}: one bit is another (ASVS V9.1.1)`, async (t) => {
    const parts = [head, body, signature]
    for (const [i, encoded] of parts.entries()) {
      const bytes = Buffer.from(encoded, 'base64url')
      for (const at of [0, bytes.length >> 1, bytes.length - 1]) {
        const flipped = Buffer.from(bytes)
        flipped[at] = (flipped[at] ?? 0) ^ 1
        await isRefused(t, parts.with(i, flipped.toString('base64url')).join('.'), `part ${i}, byte ${at}`)
      }
    }
  })

  t.test(`${kind}: another spelling (RFC 7515 2, RFC 8725bis 3.14)`, async (t) => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet[alphabet.indexOf(signature.at(-1) ?? '') + 1]
    await isRefused(t, `${head}.${body}.${signature.slice(0, -1)}${last}`, 'bits that stand for nothing')
    await isRefused(t, `${good}=`, 'padding')
    await isRefused(t, `${good}==`, 'as much as base64 has')
    for (const [from, to] of [
      [/-/g, '+'],
      [/_/g, '/'],
    ] as const) {
      let text = ''
      while (!from.test(text.split('.')[2] ?? '')) text = await sign(claims)
      const [h, b, s = ''] = text.split('.')
      await isRefused(t, `${h}.${b}.${s.replace(from, to)}`, `base64 with ${to}`)
    }
    const purpose = kind === 'access token' ? 'authorization_server' : 'first_party'
    const padded = (value: unknown) => Buffer.from(`${JSON.stringify(value)} `.padEnd(1000)).toString('base64url')
    await isRefused(
      t,
      await signText(server, `${padded(header(good)).slice(0, -1)}B.${body}`, purpose),
      'in the header',
    )
    await isRefused(t, await signText(server, `${head}.${padded(claims).slice(0, -1)}B`, purpose), 'in the claims')
    for (const garbage of ['.', '.x', 'A', '~', '.e30', `.${good}`])
      await isRefused(t, good + garbage, `then ${garbage.slice(0, 5)}`)
    await isRefused(t, `.${good}`, 'after a dot')
  })
}

t.test('an encrypted token is none (RFC 8725 3.3)', async (t) => {
  const rsa = published.find(({ alg }) => alg === 'RS256')
  const key = await importJWK({ kty: 'RSA', n: rsa?.n, e: rsa?.e }, 'RSA-OAEP-256')
  const text = new TextEncoder().encode(accessToken)
  const jwe = (key: CryptoKey | Uint8Array, alg: string, kid = rsa?.kid) =>
    new CompactEncrypt(text).setProtectedHeader({ alg, enc: 'A256GCM', kid, typ: 'at+jwt', cty: 'JWT' }).encrypt(key)
  await isRefused(t, await jwe(key, 'RSA-OAEP-256'), 'to our key')
  await isRefused(t, await jwe(new Uint8Array(32), 'dir'), 'directly')
  await isRefused(t, 'a.b.c.d.e', 'five parts')
})

t.test('a token as JSON is none (RFC 8725bis 3.14)', async (t) => {
  const [head, payload, signature] = accessToken.split('.')
  const flattened = { protected: head, payload, signature }
  for (const json of [flattened, { payload, signatures: [{ protected: head, signature }] }]) {
    const response = await server.fetch('/api/me', { headers: bearer(JSON.stringify(json)) })
    t.equal(response.status, 400, 'nor of the form of a Bearer token (RFC 6750 2.1)')
  }
})
