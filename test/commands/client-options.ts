import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { makeCertificate } from '../fixtures/certificates.ts'
import { accessToken, CALLBACK, create, type Made, requestToken } from '../fixtures/client-commands.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { createOperator } from '../fixtures/operator.ts'
import { makeDirectory } from '../fixtures/processes.ts'
import { meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const operator = createOperator(server.env)

t.test('clients create says what is wrong with where a client is told of sign-outs, or people go then', async (t) => {
  const web = create('--type', 'web', '--redirect-uri', CALLBACK)
  for (const [option, uri] of [
    ['--post-logout-redirect-uri', 'http://app.example/bye'],
    ['--post-logout-redirect-uri', 'https://app.example/bye#part'],
    ['--backchannel-logout-uri', 'http://app.example/logout'],
    ['--backchannel-logout-uri', 'com.example.app:/logout'],
    ['--grant-type', 'password'],
  ] as const) {
    t.match(await operator.refused(t, [...web, option, uri]), uri)
  }
})

t.test('a client is given grant types, and resources that it serves, if it can keep a secret', async (t) => {
  const URN = 'urn:ietf:params:oauth:grant-type:token-exchange'
  for (const name of ['token-exchange', URN]) {
    const words = ['--type', 'machine', '--grant-type', name, '--serves', `${server.url}/api`]
    const { client_id } = await operator.run<Made>(t, create(...words, '--introspection-alg', 'ES256'))
    const { clients } = await operator.run<{ clients: Record<string, unknown>[] }>(t, ['clients', 'list'])
    const listed = clients.find((client) => client.client_id === client_id)
    t.match(listed, { grant_types: ['client_credentials', URN], serves: [`${server.url}/api`] })
  }
  for (const [words, reason] of [
    [['--type', 'spa', '--redirect-uri', CALLBACK, '--grant-type', URN], /cannot keep a secret/],
    [['--type', 'spa', '--redirect-uri', CALLBACK, '--serves', `${server.url}/api`], /cannot keep a secret/],
    [['--type', 'machine', '--grant-type', 'password'], /--grant-type password/],
    [['--type', 'machine', '--serves', 'https://unknown.example'], /no resource/],
    [['--type', 'machine', '--introspection-alg', 'HS256'], /RS256, ES256/],
  ] as const) {
    t.match(await operator.refused(t, create(...words)), reason)
  }
})

t.test('a client may have a format of access tokens of its own', async (t) => {
  for (const format of ['jwt', 'opaque']) {
    const words = create('--type', 'machine', '--scope', 'profile:read', '--access-token-format', format)
    const { client_id: id, client_secret: secret } = await operator.run<Made>(t, words)
    const token = await accessToken(server, { id, secret })
    t.equal(token.includes('.'), format === 'jwt')
    t.equal(await meStatus(server, token), 200)
    const { clients } = await operator.run<{ clients: Record<string, unknown>[] }>(t, ['clients', 'list'])
    t.match(
      clients.find(({ client_id }) => client_id === id),
      { access_token_format: format },
    )
  }
})

t.test('a client may be for bound tokens only (RFC 9449 5.2)', async (t) => {
  const words = create('--type', 'machine', '--scope', 'profile:read', '--dpop-bound')
  const { client_id: id = '', client_secret: secret } = await operator.run<Made>(t, words)
  const refused = await requestToken(server, { id, secret })
  t.match(await refused.json(), { error: 'invalid_grant' })
  const { clients } = await operator.run<{ clients: Record<string, unknown>[] }>(t, ['clients', 'list'])
  t.match(
    clients.find(({ client_id }) => client_id === id),
    { dpop_bound_access_tokens: true },
  )
})

t.test('a client may have a certificate in place of a secret (RFC 8705 2)', async (t) => {
  const file = join(await makeDirectory(t), 'client.pem')
  await writeFile(file, (await makeCertificate('CN=Machine')).cert)
  const words = (...more: string[]) => create('--type', 'machine', ...more)
  for (const more of [
    ['--certificate', file],
    ['--certificate-subject', 'san_dns=a.example', '--certificate-bound'],
  ]) {
    const made = await operator.run<Made>(t, words(...more))
    t.strictSame(Object.keys(made), ['client_id'])
  }
  t.match(
    await operator.refused(t, words('--certificate', file, '--certificate-subject', 'san_dns=a.example')),
    /two ways/,
  )
  t.match(await operator.refused(t, words('--certificate-subject', 'nonsense=a')), /no nonsense/)
  t.match(await operator.refused(t, words('--dpop-bound', '--certificate-bound')), /by DPoP or to a certificate/)
  const spa = create('--type', 'spa', '--redirect-uri', CALLBACK, '--certificate', file)
  t.match(await operator.refused(t, spa), /keeps its key/)
})
