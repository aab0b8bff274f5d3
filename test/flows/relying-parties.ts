import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import t from 'tap'
import { Browser } from '../fixtures/browser.ts'
import { DEFAULT_SCOPE, makeClient, passPages } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { skipWithout } from '../fixtures/installed.ts'
import { makePerson } from '../fixtures/people.ts'

/** Libraries of other languages, each in a program that uses it as its documentation says. */
const RELYING_PARTIES = [
  {
    name: 'Authlib (Python)',
    command: '/usr/bin/python3',
    library: '/usr/lib/python3/dist-packages/authlib',
    file: 'authlib_client.py',
  },
  {
    name: 'openid_connect (Ruby)',
    command: '/usr/bin/ruby',
    library: '/usr/share/rubygems-integration/all/gems/openid_connect-*',
    file: 'openid_connect_client.rb',
  },
] as const

const server = await startGatehouse(t)
const person = await makePerson(server)

for (const { name, command, library, file } of RELYING_PARTIES) {
  t.test(
    `${name} signs a person in, reads userinfo and the API, and refreshes (OpenID Connect Core 3.1)`,
    { skip: skipWithout(name, command, library) },
    async (t) => {
      const client = await makeClient(server)
      const child = spawn(command, [`test/fixtures/relying-parties/${file}`], { stdio: ['pipe', 'pipe', 'inherit'] })
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
      const said = async () => String((await lines.next()).value)
      const tell = (line: string) => child.stdin.write(`${line}\n`)
      const nonce = randomUUID()
      tell(
        JSON.stringify({
          issuer: server.url,
          client_id: client.id,
          client_secret: client.secret,
          redirect_uri: client.redirectUri,
          scope: DEFAULT_SCOPE,
          nonce,
        }),
      )
      const browser = new Browser(server)
      const end = await passPages(browser, await browser.goto(await said()), person)
      tell(end.url)
      t.strictSame(JSON.parse(await said()), {
        claims: { iss: server.url, sub: person.id, nonce },
        userinfo: { sub: person.id, name: person.name, email: person.email, email_verified: false },
        scopes: ['profile:read'],
        refreshed: true,
      })
    },
  )
}
