import t from 'tap'
import { createResource } from '../../src/resources/resources.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'

const server = await startGatehouse(t)
const beside = await startGatehouse(t, { beside: server })
const entry = { sentence: 'Read entries of your diary', required: [], optional: [] }

t.test('of resources that are registered at once one has a type (RFC 9396 2)', async (t) => {
  for (let round = 0; round < 3; round += 1) {
    const made = await Promise.allSettled(
      [server, beside].map(({ db }, index) =>
        createResource(db, server.url, {
          identifier: `https://r${round}-${index}.example/`,
          name: 'R',
          scopes: {},
          format: 'jwt',
          authorizationDetailsTypes: { [`same${round}`]: entry },
        }),
      ),
    )
    t.strictSame(made.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    t.match(made.find((each) => each.status === 'rejected')?.reason, { code: 'type_exists' })
  }
})
