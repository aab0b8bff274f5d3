import { decodeJwt } from 'jose'
import t from 'tap'
import { createResource } from '../../src/resources/resources.ts'
import { askOnWire, atRequests, listed, makeAsker, pollOnce } from '../fixtures/backchannel.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'

t.test('what a client asks for in detail is shown, granted and in the token (RFC 9396 2, 7, CIBA 7.1)', async (t) => {
  const server = await startGatehouse(t)
  const BANK = 'https://bank.example/api'
  const payment = { sentence: 'Pay from your account', required: ['amount', 'creditor'], optional: [] }
  const resource = { identifier: BANK, name: 'Bank', scopes: {}, format: 'jwt', authorizationDetailsTypes: { payment } }
  await createResource(server.db, server.url, resource as never)
  await eventually(
    async () => (await (await server.fetch('/.well-known/oauth-authorization-server')).text()).includes('"payment"'),
    (isThere) => isThere,
  )
  const client = await makeAsker(server, { authorizationDetailsTypes: ['payment'], scope: ['openid'] })
  const person = await makePerson(server)
  const detail = { type: 'payment', amount: '12.30 EUR', creditor: 'Ada & Co' }
  const asked = { login_hint: person.email, authorization_details: JSON.stringify([detail]) }
  const { auth_req_id = '' } = await askOnWire(server, client, asked)
  const { browser, page } = await atRequests(server, person)
  t.match(page.html, 'Pay from your account')
  const request = await browser.goto(listed(page)[0] ?? '')
  t.match(request.html, '12.30 EUR')
  t.match(request.html, 'Ada &amp; Co')
  await browser.submit(request, request.form('/allow'))
  const { access_token = '' } = await pollOnce(server, client, auth_req_id)
  t.match(decodeJwt(access_token), { aud: BANK, authorization_details: [detail] })

  const other = await makeAsker(server, { scope: ['openid'], authorizationDetailsTypes: [] })
  for (const wrong of [[{ ...detail, more: 'x' }], [{ type: 'payment', amount: '1 EUR' }], [{ type: 'none' }]])
    t.match(await askOnWire(server, client, { ...asked, authorization_details: JSON.stringify(wrong) }), {
      status: 400,
      error: 'invalid_authorization_details',
    })
  t.match(await askOnWire(server, other, asked), { status: 400 }, 'not a type of its')
})
