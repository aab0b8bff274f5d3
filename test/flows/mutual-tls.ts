import { hash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { type RequestOptions, request } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { createClient, type NewClient } from '../../src/clients/clients.ts'
import { type Certified, escaped, makeCertificate } from '../fixtures/certificates.ts'
import { exchange, makeExchanger } from '../fixtures/exchange.ts'
import { type Gatehouse, startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer } from '../fixtures/people.ts'
import { makeDirectory } from '../fixtures/processes.ts'
import { register } from '../fixtures/wire.ts'

/** RFC 8705, with certificates from a proxy's header and from the TLS connection itself. */
const directory = await makeDirectory(t)
const authority = await makeCertificate('CN=Test Authority', { isAuthority: true })
const stranger = await makeCertificate('CN=Test Authority', { isAuthority: true })
const host = await makeCertificate('CN=localhost')
const path = async (name: string, content: string) => {
  await writeFile(join(directory, name), content)
  return join(directory, name)
}
const CA = { CLIENT_CERTIFICATE_CA: await path('ca.pem', authority.cert), CLIENT_REGISTRATION: 'open' }
const behindProxy = await startGatehouse(t, {
  env: { ...CA, CLIENT_CERTIFICATES: 'X-Client-Cert', TRUST_PROXY: '127.0.0.1' },
})
const overTls = await startGatehouse(t, {
  env: {
    ...CA,
    ISSUER: 'https://id.example',
    CLIENT_CERTIFICATES: 'tls',
    TLS_CERT: await path('cert.pem', host.cert),
    TLS_KEY: await path('key.pem', host.key),
  },
})

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
  readonly challenge: string | undefined
}
interface Way {
  readonly server: Gatehouse
  ask(path: string, init: { form?: Record<string, string>; token?: string; certificate?: Certified }): Promise<Answer>
}

const WAYS: Record<string, Way> = {
  'a header of the proxy': {
    server: behindProxy,
    async ask(path, { form, token, certificate }) {
      const response = await behindProxy.fetch(path, {
        ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
        headers: {
          ...(token === undefined ? {} : bearer(token)),
          ...(certificate === undefined ? {} : { 'x-client-cert': escaped(certificate) }),
        },
      })
      const challenge = response.headers.get('www-authenticate') ?? undefined
      return { status: response.status, body: (await response.json()) as Answer['body'], challenge }
    },
  },
  'the TLS connection': {
    server: overTls,
    async ask(path, { form, token, certificate }) {
      const options: RequestOptions = {
        ...{ host: '127.0.0.1', port: overTls.config.port, path, agent: false, ca: host.cert, servername: 'localhost' },
        checkServerIdentity: () => undefined,
        method: form === undefined ? 'GET' : 'POST',
        headers: {
          ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
          ...(token === undefined ? {} : bearer(token)),
        },
        ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
      }
      const sent = request(options).end(form === undefined ? undefined : new URLSearchParams(form).toString())
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      const challenge = response.headers['www-authenticate']
      return { status: response.statusCode ?? 0, body: JSON.parse(await text(response)), challenge }
    },
  },
}

async function makeMachine({ server }: Way, input: Partial<NewClient>) {
  const { client, secret } = await createClient(server.db, {
    ...{ name: 'Machine', type: 'machine', redirectUris: [], scope: ['profile:read'] },
    ...input,
  })
  t.equal(secret, undefined, 'there is no secret')
  return { grant_type: 'client_credentials', client_id: client.id, scope: 'profile:read' }
}
const x5tOf = ({ cert }: Certified) => hash('sha256', new X509Certificate(cert).raw, 'base64url')

for (const [name, way] of Object.entries(WAYS)) {
  const { ask } = way

  t.test(`${name}: a client authenticates by a certificate of its own (RFC 8705 2.2)`, async (t) => {
    const [own, other] = [await makeCertificate('CN=A'), await makeCertificate('CN=A')]
    const form = await makeMachine(way, { certificate: { selfSigned: own.cert } })
    t.equal((await ask('/oauth/token', { form, certificate: own })).status, 200)
    for (const certificate of [other, authority, undefined]) {
      const refused = await ask('/oauth/token', { form, ...(certificate && { certificate }) })
      t.match(refused, { status: 401, body: { error: 'invalid_client' } })
    }
  })

  t.test(`${name}: or by one that an authority issued to its subject (RFC 8705 2.1)`, async (t) => {
    const names = [
      { type: 'dns', value: 'report.example' },
      { type: 'url', value: 'spiffe://example/report' },
      { type: 'email', value: 'report@example.com' },
      { type: 'ip', value: '192.0.2.7' },
    ] as const
    const subject = 'CN=Report, O="Example, Inc", C=DE'
    const certificate = await makeCertificate(subject, { by: authority, names: [...names] })
    const subjects = {
      san_dns: 'report.example',
      san_uri: 'spiffe://example/report',
      san_email: 'report@example.com',
      san_ip: '192.0.2.7',
      subject_dn: new X509Certificate(certificate.cert).subject.split('\n').reverse().join(','),
    }
    for (const [subject, value] of Object.entries(subjects)) {
      const form = await makeMachine(way, { certificate: { subject, value } })
      t.equal((await ask('/oauth/token', { form, certificate })).status, 200, subject)
      const wrong = await makeMachine(way, { certificate: { subject, value: value.replace(/[a-z7]$/i, 'x') } })
      t.match(await ask('/oauth/token', { form: wrong, certificate }), {
        status: 401,
        body: { error: 'invalid_client' },
      })
    }
    const form = await makeMachine(way, { certificate: { subject: 'san_dns', value: 'report.example' } })
    const dns = [{ type: 'dns', value: 'report.example' }] as const
    const bad = {
      'of an authority that only has the same name': { by: stranger },
      'issued by itself': {},
      'that is over': { by: authority, endsInDays: -1 },
      'for servers': { by: authority, use: 'server' as const },
      'issued by a client': { by: certificate },
      'by a wildcard': { by: authority, names: [{ type: 'dns' as const, value: '*.example' }] },
    }
    for (const [name, options] of Object.entries(bad)) {
      const presented = await makeCertificate('CN=report.example', { names: [...dns], ...options })
      t.equal((await ask('/oauth/token', { form, certificate: presented })).status, 401, name)
    }
    const inName = await makeCertificate('CN=report.example', { by: authority })
    t.equal((await ask('/oauth/token', { form, certificate: inName })).status, 401, 'in the common name alone')
    const forUse = await makeCertificate('CN=x', { by: authority, names: [...dns], use: 'client' })
    t.equal((await ask('/oauth/token', { form, certificate: forUse })).status, 200, 'for clients')
  })

  t.test(`${name}: a bound token is good with its certificate alone (RFC 8705 3)`, async (t) => {
    const [own, other] = [await makeCertificate('CN=B'), await makeCertificate('CN=B')]
    for (const accessTokenFormat of ['jwt', 'opaque'] as const) {
      const input = { certificate: { selfSigned: own.cert }, certificateBound: true, accessTokenFormat }
      const form = await makeMachine(way, input)
      const { body } = await ask('/oauth/token', { form, certificate: own })
      t.equal(body.token_type, 'Bearer')
      const token = String(body.access_token)
      for (const _ of [1, 2]) {
        t.equal((await ask('/api/me', { token, certificate: own })).status, 200, accessTokenFormat)
        for (const certificate of [other, undefined]) {
          const refused = await ask('/api/me', { token, ...(certificate && { certificate }) })
          t.equal(refused.status, 401)
          t.match(refused.challenge, /^Bearer error="invalid_token"/)
        }
      }
      const { client_id } = form
      const told = await ask('/oauth/introspect', { form: { client_id, token }, certificate: own })
      t.match(told.body, { active: true, token_type: 'Bearer', cnf: { 'x5t#S256': x5tOf(own) } })
    }
  })

  t.test(`${name}: discovery promises it (RFC 8705 3.3, RFC 8414 2)`, async (t) => {
    const { body } = await ask('/.well-known/oauth-authorization-server', {})
    t.equal(body.tls_client_certificate_bound_access_tokens, true)
    for (const method of ['tls_client_auth', 'self_signed_tls_client_auth'])
      t.ok((body.token_endpoint_auth_methods_supported as string[]).includes(method), method)
  })
}

t.test(
  'who has a secret is bound too, at each issue, and gets nothing without a certificate (RFC 8705 3)',
  async (t) => {
    const certificate = await makeCertificate('CN=C')
    const { client, secret = '' } = await createClient(behindProxy.db, {
      ...{ name: 'Machine', type: 'machine', redirectUris: [], scope: ['profile:read'], certificateBound: true },
    })
    const ask = (headers: Record<string, string>) => {
      const authorization = `Basic ${btoa(`${client.id}:${secret}`)}`
      const body = new URLSearchParams({ grant_type: 'client_credentials' })
      return behindProxy.fetch('/oauth/token', { method: 'POST', body, headers: { authorization, ...headers } })
    }
    t.match(await (await ask({})).json(), { error: 'invalid_grant' })
    t.equal((await ask({ 'x-client-cert': escaped(certificate) })).status, 200)
    const base64 = new X509Certificate(certificate.cert).raw.toString('base64')
    t.equal((await ask({ 'x-client-cert': `:${base64}:` })).status, 200, 'as RFC 9440 writes it')
    for (const value of ['', 'x', ':x:', escaped(certificate).slice(0, 80), `:${base64}:, :${base64}:`])
      t.equal((await ask({ 'x-client-cert': value })).status, 400, value.slice(0, 20))
  },
)

t.test(
  'a token that is bound to a certificate is not exchanged by who has none (RFC 8705 3, RFC 8693 5)',
  async (t) => {
    const own = await makeCertificate('CN=F')
    const way = WAYS['a header of the proxy'] as Way
    const form = await makeMachine(way, { certificate: { selfSigned: own.cert }, certificateBound: true })
    const token = String((await way.ask('/oauth/token', { form, certificate: own })).body.access_token)
    const exchanger = await makeExchanger(behindProxy)
    const refused = await exchange(behindProxy, exchanger, { kind: 'access_token', token })
    t.match(refused, { status: 400, error: 'invalid_request' })
  },
)

t.test('a header is believed of a trusted proxy alone, whatever else it says (RFC 8705 6.5)', async (t) => {
  const certificate = await makeCertificate('CN=D')
  const elsewhere = await startGatehouse(t, {
    env: { ...CA, CLIENT_CERTIFICATES: 'X-Client-Cert', TRUST_PROXY: '192.0.2.1' },
  })
  const { client } = await createClient(elsewhere.db, {
    ...{ name: 'Machine', type: 'machine', redirectUris: [], certificate: { selfSigned: certificate.cert } },
  })
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: client.id })
  for (const more of [{}, { 'x-forwarded-for': '192.0.2.1' }]) {
    const headers = { 'x-client-cert': escaped(certificate), ...more }
    t.equal((await elsewhere.fetch('/oauth/token', { method: 'POST', body, headers })).status, 401)
  }
})

t.test('where it is off nothing of it is promised, believed or registered (RFC 8414 2)', async (t) => {
  const off = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open', TRUST_PROXY: '127.0.0.1' } })
  const metadata = await (await off.fetch('/.well-known/oauth-authorization-server')).text()
  t.notMatch(metadata, 'tls_client')
  const asked = { redirect_uris: ['https://app.example/cb'], token_endpoint_auth_method: 'tls_client_auth' }
  const refused = await register(off, { ...asked, tls_client_auth_san_dns: 'app.example' })
  t.match(await refused.json(), { error: 'invalid_client_metadata' })
  const certificate = await makeCertificate('CN=E')
  const { client } = await createClient(off.db, {
    ...{ name: 'Machine', type: 'machine', redirectUris: [], certificate: { selfSigned: certificate.cert } },
  })
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: client.id })
  const headers = { 'x-client-cert': escaped(certificate) }
  const answer = await off.fetch('/oauth/token', { method: 'POST', body, headers })
  t.ok(answer.status >= 400 && answer.status < 500, String(answer.status))
  const registered = await register(behindProxy, { ...asked, tls_client_auth_san_dns: 'app.example' })
  t.equal(registered.status, 201, 'and where it is on it is')
})
