import t from 'tap'
import { deleteClient } from '../../src/clients/clients.ts'
import { authorize, makeClient, tokenRequest } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { bearer, makePerson, signIn } from '../fixtures/people.ts'

const ROUNDS = 8
const server = await startGatehouse(t)
const person = await makePerson(server)
const owner = bearer((await signIn(server, person)).accessToken)
const client = await makeClient(server)
const first = await authorize(server, client, person)

t.test('an application that is at the token endpoint while its access is taken back: no failure of ours', async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const codes = [
      await authorize(server, client, person, { browser: first.browser }),
      await authorize(server, client, person, { browser: first.browser }),
    ]
    const { refresh_token = '' } = (await codes.pop()?.redeem()) ?? {}
    const form = {
      grant_type: 'authorization_code',
      code: codes[0]?.code ?? '',
      code_verifier: codes[0]?.verifier ?? '',
      redirect_uri: client.redirectUri,
    }
    const [redeemed, refreshed, revoked] = await Promise.all([
      tokenRequest(server, client, form),
      tokenRequest(server, client, { grant_type: 'refresh_token', refresh_token }),
      server.fetch(`/api/grants/${client.id}`, { method: 'DELETE', headers: owner }),
    ])
    t.ok([200, 400].includes(redeemed.status), `the code: ${redeemed.status}`)
    t.ok([200, 400].includes(refreshed.status), `the refresh token: ${refreshed.status}`)
    t.equal(revoked.status, 200)
    for (const response of [redeemed, refreshed]) {
      const { access_token } = (await response.json()) as { access_token?: string }
      if (access_token === undefined) continue
      t.equal((await server.fetch('/api/me', { headers: bearer(access_token) })).status, 401, 'and nothing is left')
    }
  }
})

t.test('or while it is deleted', async (t) => {
  for (let round = 0; round < 5; round += 1) {
    const gone = await makeClient(server)
    const { code, verifier } = await authorize(server, gone, person, { browser: first.browser })
    const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: gone.redirectUri }
    const [redeemed] = await Promise.all([
      tokenRequest(server, gone, form),
      deleteClient(server.db, gone.id, new Date()),
    ])
    t.ok([200, 400, 401].includes(redeemed.status), `${redeemed.status}`)
  }
})

t.test('the log tells of no failure', async (t) => {
  t.strictSame(
    server.log.filter((line) => JSON.parse(line).level >= 50),
    [],
  )
})
