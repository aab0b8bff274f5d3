import { constants, createHash, generateKeyPairSync, privateEncrypt, randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import t from 'tap'
import { REDIRECT_URI } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { part } from '../fixtures/keys.ts'
import { clientPost, register } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })

/** What the server says to a client that registers this key, and then authenticates by what `sign` makes of its claims. */
async function authenticate(jwk: object, sign: (claims: object) => Promise<string> | string) {
  const registered = await register(server, {
    redirect_uris: [REDIRECT_URI],
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ kid: 'k', use: 'sig', ...jwk }] },
  })
  if (registered.status !== 201) return registered.status
  const { client_id: id } = (await registered.json()) as { client_id: string }
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: id, sub: id, aud: server.url, jti: randomUUID(), iat: now, exp: now + 60 }
  const asserted = {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await sign(claims),
  }
  const form = { token: 'unknown', ...asserted }
  return (await clientPost(server, '/oauth/introspect', { id, secret: undefined }, form)).status
}

const elliptic = await generateKeyPair('ES256', { extractable: true })
const publicJwk = await exportJWK(elliptic.publicKey)
const byElliptic = (claims: object) =>
  new SignJWT({ ...claims }).setProtectedHeader({ alg: 'ES256', kid: 'k' }).sign(elliptic.privateKey)

/** RS256 by a key that a library would refuse to sign with. */
function bySmallKey(bits: number) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits })
  const sign = (claims: object) => {
    const text = `${part({ alg: 'RS256', kid: 'k' })}.${part(claims)}`
    const signature = privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, digestInfo(text))
    return `${text}.${signature.toString('base64url')}`
  }
  return { jwk: publicKey.export({ format: 'jwk' }) as JWK, sign }
}

/** A SHA-256 digest as RSA signs it (RFC 8017 9.2). */
const digestInfo = (text: string) =>
  Buffer.concat([
    Buffer.from('3031300d060960864801650304020105000420', 'hex'),
    createHash('sha256').update(text).digest(),
  ])

/** What a key whose exponent is 1 signs: the padded digest itself. */
function byExponentOne(claims: object): string {
  const text = `${part({ alg: 'RS256', kid: 'k' })}.${part(claims)}`
  const digest = digestInfo(text)
  const padded = Buffer.concat([
    Buffer.from([0, 1]),
    Buffer.alloc(256 - digest.length - 3, 0xff),
    Buffer.from([0]),
    digest,
  ])
  return `${text}.${padded.toString('base64url')}`
}

t.test('the key of a client is one that can be trusted, or lets nobody in (RFC 8725 3.4, 3.5)', async (t) => {
  t.equal(await authenticate(publicJwk, byElliptic), 200, 'a good one')
  const large = bySmallKey(2048)
  t.equal(await authenticate(large.jwk, large.sign), 200, 'RSA of 2048 bits')

  const zero = Buffer.alloc(32).toString('base64url')
  const small = bySmallKey(1024)
  const wrong: [string, object, (claims: object) => Promise<string> | string][] = [
    ['a point that is not on the curve', { ...publicJwk, y: publicJwk.x }, byElliptic],
    ['the point at zero', { ...publicJwk, x: zero, y: zero }, byElliptic],
    ['half a point', { kty: 'EC', crv: 'P-256', x: publicJwk.x }, byElliptic],
    ['another curve', { ...publicJwk, crv: 'secp256k1' }, byElliptic],
    ['a curve that does not exist', { ...publicJwk, crv: 'P-1' }, byElliptic],
    ['a key to encrypt with', { ...publicJwk, use: 'enc' }, byElliptic],
    ['a secret', { kty: 'oct', k: part('secret') }, byElliptic],
    ['a private key', await exportJWK(elliptic.privateKey), byElliptic],
    ['RSA of 1024 bits', small.jwk, small.sign],
    ['RSA with the exponent 1', { ...large.jwk, e: 'AQ' }, byExponentOne],
    ['RSA with the exponent 1, otherwise written', { ...large.jwk, e: 'AAAAAQ' }, byExponentOne],
    ['RSA without an exponent', { ...large.jwk, e: '' }, byExponentOne],
    ['a modulus of nothing', { kty: 'RSA', n: 'AA', e: 'AQAB' }, byExponentOne],
    ['a key of no kind', { kty: 'XX' }, byElliptic],
  ]
  for (const [name, jwk, sign] of wrong) {
    const status = await authenticate(jwk, sign)
    t.ok(status === 400 || status === 401, `${name}: ${status}`)
  }
})
