import { and, eq } from 'drizzle-orm'
import t from 'tap'
import { CIBA } from '../../src/clients/grant-types.ts'
import { providerModels } from '../../src/database/schema.ts'
import { ask, makeAsker, openLatest, pollOnce } from '../fixtures/backchannel.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson } from '../fixtures/people.ts'
import { clientForm, meStatus, postAtOnce } from '../fixtures/wire.ts'

/** Single use is one conditional statement each time: whoever comes at once, over two processes, one wins. */
const server = await startGatehouse(t)
const onPostgres = server.env.DATABASE_URL !== undefined
const servers = onPostgres ? [server, await startGatehouse(t, { beside: server })] : [server]
const [AT_ONCE, ROUNDS] = onPostgres ? [50, 5] : [20, 1]

async function opened() {
  const [client, person] = [await makeAsker(server), await makePerson(server)]
  const { auth_req_id: id } = await ask(client, person)
  const { browser, page } = await openLatest(server, person)
  const cookie = [...browser.cookies].map(([name, { value }]) => `${name}=${value}`).join('; ')
  const headers = { cookie, origin: server.url, 'sec-fetch-site': 'same-origin', accept: 'text/html' }
  const post = (how: string, count: number) =>
    postAtOnce(servers, new URL(page.url).pathname + how, count, { body: new URLSearchParams(), headers })
  const grants = () =>
    server.db.$count(providerModels, and(eq(providerModels.clientId, client.id), eq(providerModels.model, 'Grant')))
  return { client, id, post, grants }
}
const won = ({ status }: { status: number }) => status === 200

t.test('a request is answered once and redeemed once (CIBA 10.1, 11)', async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const { client, id, post, grants } = await opened()
    const answers = await post('/allow', AT_ONCE)
    t.equal(answers.filter(won).length, 1)
    t.ok(answers.every(({ status }) => status === 200 || status === 400))
    t.equal(await grants(), 1, 'one grant')

    const form = clientForm(client, { grant_type: CIBA, auth_req_id: id })
    const redeemed = await postAtOnce(servers, '/oauth/token', AT_ONCE, form)
    t.equal(redeemed.filter(won).length, 1)
    t.ok(redeemed.every(({ status, body }) => status === 200 || body.error === 'invalid_grant'))
    t.equal(await meStatus(server, redeemed.find(won)?.body.access_token ?? ''), 200)
  }
})

t.test('of allowing and denying at once one counts, and the client is told that (CIBA 11)', async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const { client, id, post, grants } = await opened()
    const [allowed = [], denied = []] = await Promise.all([post('/allow', 5), post('/deny', 5)])
    t.equal([...allowed, ...denied].filter(won).length, 1)
    const isAllowed = allowed.some(won)
    t.equal(await grants(), isAllowed ? 1 : 0)
    t.match(await pollOnce(server, client, id), isAllowed ? { status: 200 } : { error: 'access_denied' })
  }
})
