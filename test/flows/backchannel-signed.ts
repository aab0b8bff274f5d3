import * as openid from 'openid-client'
import t from 'tap'
import { createClient } from '../../src/clients/clients.ts'
import { CIBA } from '../../src/clients/grant-types.ts'
import { askOnWire, atRequests, listed, makeAsker, pollOnce } from '../fixtures/backchannel.ts'
import { makeAskerKey } from '../fixtures/backchannel-proofs.ts'
import { makeCertificate } from '../fixtures/certificates.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const key = await makeAskerKey('ES256')
const client = await makeAsker(server, { keys: key.keys })
const strict = await makeAsker(server, { keys: key.keys, requireSignedRequestObject: true })

t.test('a signed request is taken for what it says, and nothing beside it (CIBA 7.1.1)', async (t) => {
  const [person, other] = [await makePerson(server), await makePerson(server)]
  for (const by of [client, strict]) {
    const claims = { login_hint: person.email, scope: 'openid profile:read', binding_message: 'A-7' }
    const request = await key.sign(by.id, server.url, claims)
    const beside = { request, login_hint: other.email, binding_message: 'B-8', scope: 'openid email' }
    const { auth_req_id = '', status } = await askOnWire(server, by, beside)
    t.equal(status, 200)
    t.match(await pollOnce(server, by, auth_req_id), { error: 'authorization_pending' })
  }
  t.strictSame(listed((await atRequests(server, other)).page), [])
  const { page } = await atRequests(server, person)
  t.match(page.html, 'A-7')
  t.notMatch(page.html, 'B-8')
  t.notMatch(page.html, /e-mail address;/i)
})

t.test('who, for whom, since when and until when are checked (CIBA 7.1.1)', async (t) => {
  const { email: login_hint } = await makePerson(server)
  const stranger = await makeAskerKey('ES256')
  const now = Math.floor(Date.now() / 1000)
  const asked = { login_hint, scope: 'openid' }
  const sign = (changes: object, header = {}) => key.sign(client.id, server.url, { ...asked, ...changes }, header)
  for (const [name, request] of Object.entries({
    'by another key': await stranger.sign(client.id, server.url, asked),
    'of another client': await key.sign(strict.id, server.url, asked),
    'for another': await key.sign(client.id, 'https://elsewhere.example', asked),
    'without aud': await sign({ aud: undefined }),
    'without iat': await sign({ iat: undefined }),
    'without nbf': await sign({ nbf: undefined }),
    'without exp': await sign({ exp: undefined }),
    'without jti': await sign({ jti: undefined }),
    'that is over': await sign({ exp: now - 60 }),
    'for days': await sign({ exp: now + 86_400 }),
    'of another type': await sign({}, { typ: 'logout+jwt' }),
    'by which it authenticates': await sign({ sub: client.id }),
    'that holds another': await sign({ request: 'x' }),
    unsigned: `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`,
  })) {
    t.match(await askOnWire(server, client, { request }), { status: 400, error: 'invalid_request' }, name)
  }
  t.match(await askOnWire(server, strict, asked), { status: 400, error: 'invalid_request' }, 'who must sign')
})

t.test('a client of FAPI 2.0 signs, says what it is for, and gets bound tokens (FAPI-CIBA 5.2.2)', async (t) => {
  const person = await makePerson(server)
  const input = { name: 'Bank', type: 'web', redirectUris: [], profile: 'fapi2', grantTypes: [CIBA] } as const
  const made = await createClient(server.db, { ...input, keys: key.keys })
  const configuration = await openid.discovery(
    new URL(server.url),
    made.client.id,
    undefined,
    openid.PrivateKeyJwt({ key: key.privateKey, kid: 'k' }),
    { execute: [openid.allowInsecureRequests] },
  )
  const asked = { login_hint: person.email, scope: 'openid profile:read' }
  const begin = (parameters: Record<string, string>) =>
    openid.initiateBackchannelAuthentication(configuration, parameters)
  const refused = (request: Promise<unknown>) =>
    request.then(
      () => 'none',
      ({ error, cause }: { error?: string; cause?: { error?: string } }) => error ?? cause?.error,
    )
  t.equal(await refused(begin({ ...asked, binding_message: 'A-7' })), 'invalid_request')
  const signed = (claims: object) => key.sign(made.client.id, server.url, { ...asked, ...claims })
  t.equal(await refused(begin({ request: await signed({}) })), 'invalid_binding_message')
  const response = await begin({ request: await signed({ binding_message: 'A-7' }) })

  const { browser, page } = await atRequests(server, person)
  const request = await browser.goto(listed(page)[0] ?? '')
  await browser.submit(request, request.form('/allow'))
  const DPoP = openid.getDPoPHandle(configuration, await openid.randomDPoPKeyPair('ES256'))
  const redeem = (options?: object) =>
    openid.pollBackchannelAuthenticationGrant(configuration, { ...response, interval: 1 }, {}, options)
  t.match(await refused(redeem()), /^invalid_(grant|request|dpop_proof)$/)
  t.equal((await redeem({ DPoP })).token_type, 'dpop')

  const certificate = { selfSigned: (await makeCertificate('CN=Bank')).cert }
  await createClient(server.db, { ...input, certificate })
  const named = { subject: 'san_dns', value: 'bank.example' }
  await t.rejects(createClient(server.db, { ...input, certificate: named }), /signs has keys/)
  await t.rejects(createClient(server.db, { ...input, keys: undefined }), /signs has keys/)
})
