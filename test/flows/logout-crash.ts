import * as openid from 'openid-client'
import t from 'tap'
import { authorize } from '../fixtures/clients.ts'
import { makeEmptyDatabase } from '../fixtures/empty-database.ts'
import type { Gatehouse } from '../fixtures/gatehouse.ts'
import { startLogoutReceiver } from '../fixtures/logout-receiver.ts'
import { createOperator } from '../fixtures/operator.ts'
import { PASSWORD } from '../fixtures/people.ts'
import { gatehouseAt, startServer } from '../fixtures/processes.ts'

t.test(
  'a server that is killed while it tells a client leaves it to the next one (Back-Channel Logout 2.8)',
  async (t) => {
    const database = await makeEmptyDatabase(t)
    const first = await startServer(t, database)
    const operator = createOperator(database)
    const issuer = first.url
    const jwks = await (await fetch(`${issuer}/oauth/jwks`)).json()
    const receiver = await startLogoutReceiver(t, {
      issuer,
      jwksUri: `data:application/json,${encodeURIComponent(JSON.stringify(jwks))}`,
    })
    const email = 'ada@example.com'
    await operator.run(t, ['accounts', 'create', '--email', email, '--password-stdin'], PASSWORD)
    const { client_id: id, client_secret: secret } = await operator.run<Record<string, string>>(t, [
      ...['clients', 'create', '--name', 'An App', '--type', 'web', '--redirect-uri', 'https://app.example/callback'],
      ...['--backchannel-logout-uri', receiver.uri, '--backchannel-logout-session-required'],
      ...['--post-logout-redirect-uri', 'https://app.example/bye'],
    ])
    const configuration = await openid.discovery(new URL(issuer), id ?? '', secret, openid.ClientSecretBasic(secret), {
      execute: [openid.allowInsecureRequests],
    })
    const server = gatehouseAt(issuer, {} as Gatehouse)
    const client = { id: id ?? '', secret, redirectUri: 'https://app.example/callback', configuration }
    const parameters = { scope: 'openid' }
    const { browser, redeem } = await authorize(server, client, { email, password: PASSWORD }, { parameters })
    const sid = (await redeem()).claims()?.sid

    receiver.answers.push('silence')
    const url = openid.buildEndSessionUrl(configuration, {
      post_logout_redirect_uri: 'https://app.example/bye',
      state: 's',
    })
    const page = await browser.goto(url.href)
    t.equal(
      (await browser.submit(page, page.form('/confirm'), { logout: 'yes' })).url,
      'https://app.example/bye?state=s',
    )
    const [before] = await receiver.received(1)
    await first.stop('SIGKILL')

    await startServer(t, { ...database, ISSUER: issuer })
    const [, after] = await receiver.received(2, 20_000)
    t.match(after, { aud: id, sid, jti: before?.jti }, 'the same sign-out')
  },
)
