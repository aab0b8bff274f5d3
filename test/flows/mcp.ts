import * as v2 from '@modelcontextprotocol/client'
import { auth as authV1, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { decodeJwt } from 'jose'
import * as openid from 'openid-client'
import t, { type Test } from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { makeClient, passPages } from '../fixtures/clients.ts'
import { serveDocuments } from '../fixtures/documents.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { READ, startMcpServer, WRITE } from '../fixtures/mcp.ts'
import { createOperator } from '../fixtures/operator.ts'
import { makePerson } from '../fixtures/people.ts'
import { meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t, { env: { CLIENT_REGISTRATION: 'open' } })
const person = await makePerson(server)
const documents = await serveDocuments(t, { tls: true })
const mcp = await startMcpServer(t, server)
await createOperator(server.env).run(t, [
  ...['resources', 'create', '--identifier', mcp.resource, '--name', 'Notes'],
  ...['--scope', `${READ} ${WRITE}`],
])

const REDIRECT_URI = 'http://127.0.0.1:33418/callback'
const DOCUMENT = documents.put('/client.json', {
  client_name: 'Meadow Agent',
  redirect_uris: ['http://127.0.0.1/callback', 'https://agent.example/callback'],
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
})

/** An application as the SDKs ask for one; it keeps what they give it, and knows nothing of any server. */
class Application {
  readonly redirectUrl = REDIRECT_URI
  readonly clientMetadataUrl: string | undefined
  readonly clientMetadata = { client_name: 'Meadow Agent', redirect_uris: [REDIRECT_URI] }
  /** Where the person was last sent to. */
  asked: URL | undefined
  #client: { client_id: string } | undefined
  #tokens: v2.OAuthTokens | undefined
  #verifier = ''
  #discovered: v2.OAuthDiscoveryState | undefined
  readonly #refreshes: boolean

  constructor({ document, refreshes = false }: { document?: string; refreshes?: boolean }) {
    this.clientMetadataUrl = document
    this.#refreshes = refreshes
  }
  clientInformation = () => this.#client
  saveClientInformation = (client: { client_id: string }) => void (this.#client = client)
  tokens = () => this.#tokens
  saveTokens = ({ refresh_token, ...tokens }: v2.OAuthTokens) =>
    void (this.#tokens = this.#refreshes ? { ...tokens, refresh_token } : tokens)
  discoveryState = () => this.#discovered
  saveDiscoveryState = (state: v2.OAuthDiscoveryState) => void (this.#discovered = state)
  redirectToAuthorization = (url: URL) => void (this.asked = url)
  saveCodeVerifier = (verifier: string) => void (this.#verifier = verifier)
  codeVerifier = () => this.#verifier

  /** The person allows what the application asks for; what comes back to it. */
  async allowed(browser: Browser): Promise<URLSearchParams> {
    const end = await passPages(browser, await browser.goto(this.asked?.href ?? ''), person)
    return new URL(end.url).searchParams
  }
}

const url = new URL(mcp.resource)

/** The two SDKs under one form. */
const SDKS = {
  'SDK 1': (application: Application) => {
    const transport = new TransportV1(url, { authProvider: application as never })
    const client = new ClientV1({ name: 'meadow', version: '1.0.0' })
    return {
      connect: () => client.connect(transport as never),
      call: (name: string) => client.callTool({ name }),
      finish: (answer: URLSearchParams) => transport.finishAuth(answer.get('code') ?? ''),
      isUnauthorized: (error: unknown) => error instanceof UnauthorizedError,
    }
  },
  'SDK 2': (application: Application) => {
    const transport = new v2.StreamableHTTPClientTransport(url, { authProvider: application as never })
    const client = new v2.Client({ name: 'meadow', version: '1.0.0' })
    return {
      connect: () => client.connect(transport),
      call: (name: string) => client.callTool({ name }),
      finish: (answer: URLSearchParams) => transport.finishAuth(answer),
      isUnauthorized: (error: unknown) => error instanceof v2.UnauthorizedError,
    }
  },
}

async function useMcp(t: Test, open: (typeof SDKS)['SDK 1'], application: Application): Promise<void> {
  const browser = new Browser(server)
  const first = open(application)
  const refused = await first.connect().catch((error: unknown) => error)
  t.ok(first.isUnauthorized(refused), `without a token it is sent to the person: ${refused}`)
  t.equal(application.asked?.searchParams.get('resource'), mcp.resource)
  t.ok(application.asked?.searchParams.get('scope')?.split(' ').includes(READ))
  const answer = await application.allowed(browser)
  t.equal(answer.get('iss'), server.url)
  await first.finish(answer)

  const client = open(application)
  await client.connect()
  const called = (await client.call('read')) as { content: object[] }
  t.match(called.content, [{ text: `read by ${person.id}` }])
  const token = application.tokens()?.access_token ?? ''
  t.match(decodeJwt(token), { aud: mcp.resource, iss: server.url, scope: READ })
  t.equal(await meStatus(server, token), 401, 'which is for nobody else')

  const more = await client.call('write').catch((error: unknown) => error)
  t.ok(client.isUnauthorized(more), `what needs more asks the person: ${more}`)
  t.ok(application.asked?.searchParams.get('scope')?.split(' ').includes(WRITE))
  await client.finish(await application.allowed(browser))
  const written = (await client.call('write')) as { content: object[] }
  t.match(written.content, [{ text: `write by ${person.id}` }])
  t.match(decodeJwt(application.tokens()?.access_token ?? '').scope, WRITE)
}

for (const [name, open] of Object.entries(SDKS)) {
  /** Where more is asked of it, the first SDK would refresh for ever. */
  const refreshes = name === 'SDK 2'

  t.test(`${name}: with nothing configured, by a document (MCP 2026-07-28, authorization)`, async (t) => {
    const application = new Application({ document: DOCUMENT, refreshes })
    await useMcp(t, open as never, application)
    t.equal(application.clientInformation()?.client_id, DOCUMENT)
    if (refreshes)
      t.equal(await v2.auth(application as never, { serverUrl: url }), 'AUTHORIZED', 'by its refresh token')
  })

  t.test(`${name}: with nothing configured, by dynamic registration (MCP 2025-11-25, authorization)`, async (t) => {
    const application = new Application({ refreshes })
    await useMcp(t, open as never, application)
    t.match(application.clientInformation()?.client_id, /^client_/)
  })
}

t.test('who answers is named when the person declines, too (RFC 9207 2)', async (t) => {
  const application = new Application({ document: DOCUMENT })
  t.equal(await authV1(application as never, { serverUrl: mcp.resource, scope: READ }), 'REDIRECT')
  const browser = new Browser(server)
  const page = await browser.goto(application.asked?.href ?? '')
  const end = await browser.submit(page, page.form('/abort'))
  t.match(Object.fromEntries(new URL(end.url).searchParams), { error: 'access_denied', iss: server.url })
})

t.test('a token for another resource is refused there (RFC 8707 2, MCP 2026-07-28, token audience)', async (t) => {
  const before = mcp.presented.length
  const { configuration } = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
  const tokens = await openid.clientCredentialsGrant(configuration)
  t.equal(await meStatus(server, tokens.access_token), 200, 'a good one of ours')
  const application = new Application({ document: DOCUMENT })
  application.saveTokens(tokens as never)
  const client = SDKS['SDK 2'](application)
  const refused = await client.connect().catch((error: unknown) => error)
  t.ok(client.isUnauthorized(refused))
  t.equal(mcp.presented.length, before + 1, 'though it was presented')
})
