import t from 'tap'
import { JWT_BEARER } from '../../src/clients/grant-types.ts'
import type { RelyingParty } from '../fixtures/clients.ts'
import { apiKey, firstPartyJwt } from '../fixtures/credentials.ts'
import { type DpopKey, dpopHeaders, makeDpopKey, makeProof } from '../fixtures/dpop.ts'
import { ACCESS_TOKEN_TYPE, claimsOf, type Exchanged, exchangeForm, held, makeExchanger } from '../fixtures/exchange.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makeService, makeServiceClient } from '../fixtures/service.ts'
import { clientForm, meStatus } from '../fixtures/wire.ts'

/** Tokens that come of other credentials are bound by the same rules as any. */
const server = await startGatehouse(t)
const key = await makeDpopKey()
const other = await makeDpopKey()
const TOKEN_ENDPOINT = `${server.url}/oauth/token`

/** A token request, with a proof of a key if there is one. */
async function ask(
  client: RelyingParty,
  form: Record<string, string>,
  by?: DpopKey,
  proof?: string,
): Promise<Exchanged> {
  const { body, headers } = clientForm(client, form)
  const dpop = proof ?? (by && (await makeProof(by, { method: 'POST', url: TOKEN_ENDPOINT })))
  const init = { method: 'POST', body, headers: { ...headers, ...(dpop === undefined ? {} : { dpop }) } }
  const response = await server.fetch('/oauth/token', init)
  return { status: response.status, ...((await response.json()) as Omit<Exchanged, 'status'>) }
}

const statusWith = async (by: DpopKey, token: string) =>
  (await server.fetch('/api/me', { headers: await dpopHeaders(server, by, token) })).status

t.test('what is got with a proof is bound to its key, whatever it comes of (RFC 9449 5)', async (t) => {
  const service = await makeService(server)
  const serviceClient = await makeServiceClient(server)
  for (const accessTokenFormat of ['jwt', 'opaque'] as const) {
    const exchanger = await makeExchanger(server, { accessTokenFormat })
    const got = [
      await ask(exchanger, exchangeForm(await apiKey(server)), key),
      await ask(exchanger, exchangeForm(await firstPartyJwt(server)), key),
      await ask(serviceClient, { grant_type: JWT_BEARER, assertion: await service.assert() }, key),
    ]
    for (const { access_token, token_type } of got) {
      t.equal(token_type, 'DPoP')
      t.equal(await statusWith(key, access_token), 200)
      t.equal(await statusWith(other, access_token), 401)
      t.equal(await meStatus(server, access_token), 401, 'as Bearer it is refused')
    }
  }
})

t.test('a bound token is exchanged with a proof of its key, and stays bound (RFC 9449 7.2, RFC 8693 5)', async (t) => {
  const exchanger = await makeExchanger(server)
  const bound = await ask(exchanger, exchangeForm(await apiKey(server)), key)
  const form = exchangeForm(held(bound))
  t.match(await ask(exchanger, form), { error: 'invalid_request' }, 'without a proof')
  t.match(await ask(exchanger, form, other), { error: 'invalid_request' }, 'with one of another key')
  const child = await ask(exchanger, form, key)
  t.same(claimsOf(child.access_token).cnf, { jkt: key.jkt })
  const actor = { actor_token: bound.access_token, actor_token_type: ACCESS_TOKEN_TYPE }
  const acted = { ...exchangeForm(await apiKey(server)), ...actor }
  t.match(await ask(exchanger, acted), { error: 'invalid_request' }, 'nor does it act without one')
  t.equal((await ask(exchanger, acted, key)).status, 200)
})

t.test('a client that is to have bound tokens alone gets no others (RFC 9449 5.2)', async (t) => {
  const exchanger = await makeExchanger(server, { dpopBound: true })
  const service = await makeService(server)
  const serviceClient = await makeServiceClient(server, { dpopBound: true })
  const form = exchangeForm(await apiKey(server))
  const assertion = { grant_type: JWT_BEARER, assertion: await service.assert() }
  t.match(await ask(exchanger, form), { status: 400, error: 'invalid_grant' })
  t.match(await ask(serviceClient, assertion), { status: 400, error: 'invalid_grant' })
  t.equal((await ask(exchanger, form, key)).token_type, 'DPoP')
  t.equal((await ask(serviceClient, assertion, key)).token_type, 'DPoP', 'nothing was used up')
})

t.test('a proof is good once here too (RFC 9449 11.1)', async (t) => {
  const client = await makeExchanger(server)
  const proof = await makeProof(key, { method: 'POST', url: TOKEN_ENDPOINT })
  const form = exchangeForm(await apiKey(server))
  t.equal((await ask(client, form, key, proof)).status, 200)
  t.equal((await ask(client, form, key, proof)).status, 400)
  t.match(await ask(client, form, key, 'garbage'), { error: 'invalid_dpop_proof' })
})
