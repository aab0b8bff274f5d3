import t from 'tap'
import { authorize, makeClient } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { createOperator } from '../fixtures/operator.ts'
import { makeKey, makePerson, type Person, signIn } from '../fixtures/people.ts'
import { clientPost, meStatus } from '../fixtures/wire.ts'

const server = await startGatehouse(t)
const operator = createOperator(server.env)

t.test(
  'accounts sign-out ends all sessions of an account, or of all, and what lasts no longer (ASVS V7.4.5)',
  async (t) => {
    const [ada, grace] = [await makePerson(server), await makePerson(server)]
    const client = await makeClient(server)
    const scope = 'openid profile:read'
    const held = async (person: Person) => {
      const { accessToken: jwt, refreshToken } = await signIn(server, person)
      const online = await (await authorize(server, client, person, { parameters: { scope } })).redeem()
      const offline = await (
        await authorize(server, client, person, { parameters: { scope: `${scope} offline_access` } })
      ).redeem()
      const { apiKey } = await makeKey(server, person)
      return { jwt, refreshToken, online, offline, apiKey }
    }
    const hers = await held(ada)
    const others = await held(grace)
    const good = async ({ jwt, online, offline, apiKey }: typeof hers) =>
      Promise.all([jwt, online.access_token, offline.access_token, apiKey].map((token) => meStatus(server, token)))
    t.strictSame(await good(hers), [200, 200, 200, 200])

    const { id, sessions } = await operator.run<{ id: string; sessions: number }>(t, ['accounts', 'sign-out', ada.id])
    t.equal(id, ada.id)
    t.ok(sessions >= 3, 'that of the app and those of the browsers')
    t.strictSame(
      await eventually(
        () => good(hers),
        ([jwt]) => jwt === 401,
      ),
      [401, 401, 200, 200],
      'offline access and keys stay',
    )
    t.equal((await server.post('/api/auth/refresh', { refreshToken: hers.refreshToken })).status, 401)
    const refresh = (token = '') =>
      clientPost(server, '/oauth/token', client, { grant_type: 'refresh_token', refresh_token: token })
    t.equal((await refresh(hers.online.refresh_token)).status, 400)
    t.equal((await refresh(hers.offline.refresh_token)).status, 200)
    t.strictSame(await good(others), [200, 200, 200, 200], 'nobody else notices')

    t.match(await operator.run(t, ['accounts', 'sign-out', '--all']), { sessions: Number })
    t.strictSame(
      await eventually(
        () => good(others),
        ([jwt]) => jwt === 401,
      ),
      [401, 401, 200, 200],
    )
    t.equal(await meStatus(server, (await signIn(server, ada)).accessToken), 200, 'and may sign in again')

    t.match(await operator.refused(t, ['accounts', 'sign-out', 'nobody']), /no such account/)
    t.match(await operator.refused(t, ['accounts', 'sign-out']), /give one account identifier/)
    t.match(await operator.refused(t, ['accounts', 'sign-out', ada.id, '--all']), /or --all/)
  },
)
