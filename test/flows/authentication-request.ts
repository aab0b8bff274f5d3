import { decodeJwt } from 'jose'
import { authorizationCodeGrant } from 'openid-client'
import t from 'tap'
import { type Browser, type Page } from '../fixtures/browser.ts'
import { authorizationRequest, authorize, makeClient, REDIRECT_URI } from '../fixtures/clients.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { signAs } from '../fixtures/keys.ts'
import { makePerson } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const client = await makeClient(server)
const parameters = { scope: 'openid' }

async function request(browser: Browser, more: Record<string, string>): Promise<Page> {
  const { url } = await authorizationRequest(client, { ...parameters, ...more })
  return browser.goto(url.href)
}

t.test(
  'an ID token as a hint: the person it names goes on, another does not (OpenID Connect Core 3.1.2.1)',
  async (t) => {
    const [mine, other] = [await makePerson(server), await makePerson(server)]
    const { browser, redeem } = await authorize(server, client, mine, { parameters })
    const { id_token = '' } = await redeem()
    const ofOther = (await (await authorize(server, client, other, { parameters })).redeem()).id_token ?? ''
    const silent = (id_token_hint: string) => request(browser, { prompt: 'none', id_token_hint })

    t.match((await silent(id_token)).url, `${REDIRECT_URI}?code=`)
    t.match((await silent(ofOther)).url, /error=login_required/)
    t.match((await request(browser, { prompt: '', id_token_hint: ofOther })).html, /name="password"/)
    for (const hint of [
      'garbage',
      `${id_token.slice(0, -4)}AAAA`,
      await signAs(server, decodeJwt(id_token), {}, 'first_party'),
    ]) {
      t.match((await silent(hint)).url, /error=invalid_request/, 'one that is not ours')
    }
  },
)

t.test('a nonce of any length comes back in the ID token (FAPI 2.0 5.3.2.2)', async (t) => {
  const person = await makePerson(server)
  for (const nonce of ['n', 'n'.repeat(64), '~!*() äöü'.repeat(20)]) {
    const { callback, verifier, state } = await authorize(server, client, person, {
      parameters: { ...parameters, nonce },
    })
    const tokens = await authorizationCodeGrant(client.configuration, callback, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
    })
    t.equal(tokens.claims()?.nonce, nonce)
  }
})

t.test('parameters that one need not understand never fail a request (OpenID Connect Core 15.1)', async (t) => {
  const { browser } = await authorize(server, client, await makePerson(server), { parameters })
  const harmless = {
    display: 'page',
    ui_locales: 'fr-CA fr en',
    claims_locales: 'se',
    acr_values: '1 2',
    login_hint: 'nobody@example.com',
  }
  for (const [name, value] of Object.entries(harmless)) {
    t.match((await request(browser, { prompt: 'none', [name]: value })).url, `${REDIRECT_URI}?code=`, name)
  }
})
