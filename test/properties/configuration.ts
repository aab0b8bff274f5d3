import { createServer } from 'node:http'
import fc from 'fast-check'
import Fastify from 'fastify'
import t from 'tap'
import { ConfigError, loadConfig } from '../../src/config.ts'
import { boundConnections } from '../../src/http/connections.ts'
import { anyText, webUrl } from '../fixtures/arbitraries.ts'

const NAMES = [
  ...['DATABASE_URL', 'DATA_DIR', 'ISSUER', 'HOST', 'PORT', 'SECRET_KEYS', 'TRUST_PROXY', 'CORS_ORIGINS', 'SIGN_UP'],
  ...['CLIENT_REGISTRATION', 'API_KEY_PREFIX', 'CREDENTIAL_CACHE_MIB', 'USAGE_INTERVAL_SECONDS', 'KEY_ROTATION_DAYS'],
  ...['NATS_URL', 'LOG_LEVEL', 'CLIENT_ID_METADATA', 'DYNAMIC_CLIENTS_MAX', 'DYNAMIC_CLIENT_DAYS'],
  ...['DPOP_NONCE', 'TLS_CERT', 'TLS_KEY', 'CLIENT_CERTIFICATES', 'CLIENT_CERTIFICATE_CA'],
]

/** What is read, or undefined when it is refused in the one way there is. */
function read(env: Record<string, string>) {
  try {
    return loadConfig(env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return undefined
  }
}

t.test('any environment is a configuration, or one error that names what is bad', async (t) => {
  const value = fc.oneof(fc.string(), anyText(), webUrl, fc.nat().map(String), fc.ipV6())
  const property = fc.property(fc.dictionary(fc.constantFrom(...NAMES), value), (env) => {
    const config = read(env)
    return config === undefined || Object.isFrozen(config)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
})

t.test(
  'sealing keys are the bytes that were written, in their order; one character changed is another or none',
  async (t) => {
    const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
    const property = fc.property(
      fc.array(bytes, { minLength: 1, maxLength: 3 }),
      fc.nat(),
      fc.stringMatching(/^[\w=,+/-]$/),
      (keys, place, other) => {
        const text = keys.map((key) => Buffer.from(key).toString('base64url')).join(',')
        const config = read({ SECRET_KEYS: text })
        const at = place % text.length
        const typo = text.slice(0, at) + other + text.slice(at + 1)
        const hex = (keys: readonly Uint8Array[] | undefined) =>
          (keys ?? []).map((key) => Buffer.from(key).toString('hex')).join()
        const changed = read({ SECRET_KEYS: typo })
        return hex(config?.secretKeys) === hex(keys) && (typo === text || hex(changed?.secretKeys) !== hex(keys))
      },
    )
    t.doesNotThrow(() => fc.assert(property))
  },
)

t.test('an issuer is an origin, and read again it is itself', async (t) => {
  const property = fc.property(
    fc.oneof(
      webUrl,
      fc.domain().map((host) => `https://${host}`),
      fc.string(),
    ),
    (text) => {
      const issuer = read({ ISSUER: text })?.issuer
      if (issuer === undefined || text.trim() === '') return true
      return new URL(issuer).origin === issuer && read({ ISSUER: issuer })?.issuer === issuer
    },
  )
  t.doesNotThrow(() => fc.assert(property))
})

t.test('a proxy that is taken is one that the server knows how to trust', async (t) => {
  const network = fc.oneof(
    fc.tuple(fc.ipV4(), fc.integer({ min: -1, max: 33 })).map(([address, bits]) => `${address}/${bits}`),
    fc.tuple(fc.ipV6(), fc.integer({ min: -1, max: 129 })).map(([address, bits]) => `${address}/${bits}`),
    fc.ipV4(),
    fc.ipV6(),
    fc.ipV6().map((address) => `${address}%eth0`),
    fc.ipV4().map((address) => `::ffff:${address}/96`),
    fc.constantFrom('loopback', 'linklocal', 'uniquelocal', 'LOOPBACK', '0.0.0.0/0', '::/0', '10.0.0.0/08', '1', ''),
  )
  let taken = 0
  const property = fc.property(fc.array(network, { minLength: 1, maxLength: 3 }), (networks) => {
    const config = read({ TRUST_PROXY: networks.join(',') })
    if (config === undefined || config.trustProxy.length === 0) return true
    taken += 1
    const trustProxy = [...config.trustProxy]
    Fastify({ trustProxy })
    boundConnections(createServer(), { most: 1, mostOfNetwork: 1 }, trustProxy, () => {})
    return true
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300 }))
  t.ok(taken > 10, 'and some are')
})
