import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { ConfigError, loadConfig } from '../../src/config.ts'
import { makeCertificate } from '../fixtures/certificates.ts'
import { makeDirectory } from '../fixtures/processes.ts'

t.test('certificates: a file that is not there, or a setting that needs another, is named', async (t) => {
  const { cert, key } = await makeCertificate('CN=localhost')
  const directory = await makeDirectory(t)
  const [TLS_CERT, TLS_KEY] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  await writeFile(TLS_CERT, cert)
  await writeFile(TLS_KEY, key)
  t.strictSame(namesOf({ TLS_CERT: '/nowhere', TLS_KEY: '/nowhere' }), ['TLS_CERT', 'TLS_KEY'])
  t.strictSame(namesOf({ TLS_CERT }), ['TLS_CERT'])
  t.strictSame(namesOf({ TLS_KEY }), ['TLS_CERT'], 'which is what is missing')
  t.strictSame(namesOf({ CLIENT_CERTIFICATES: 'tls' }), ['CLIENT_CERTIFICATES'])
  t.strictSame(namesOf({ CLIENT_CERTIFICATES: 'Client-Cert' }), ['CLIENT_CERTIFICATES'])
  t.strictSame(namesOf({ CLIENT_CERTIFICATES: 'a header' }), ['CLIENT_CERTIFICATES'])
  t.strictSame(namesOf({ CLIENT_CERTIFICATE_CA: TLS_KEY }), ['CLIENT_CERTIFICATE_CA'])
  const good = loadConfig({ TLS_CERT, TLS_KEY, CLIENT_CERTIFICATES: 'tls', CLIENT_CERTIFICATE_CA: TLS_CERT })
  t.match(good, { issuer: 'https://localhost:3000', tls: { cert, key }, clientCertificates: 'tls' })
  t.equal(good.clientCertificateAuthorities.length, 1)
  t.match(loadConfig({}), { tls: undefined, clientCertificates: 'off', clientCertificateAuthorities: [] })
})

/** The variables an environment is refused for. */
function namesOf(env: NodeJS.ProcessEnv): string[] {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((problem) => problem.split(' ')[0] ?? '')
    throw error
  }
  return []
}
