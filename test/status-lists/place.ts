import t from 'tap'
import { LIST_SIZE, namedIndex, placeOf, statusClaim } from '../../src/status-lists/place.ts'

t.test('an index is a list and a place in it, in a token too (draft-ietf-oauth-status-list-21 6.1)', async (t) => {
  t.same(placeOf(2 * LIST_SIZE + 7), { list: 2, idx: 7 })
  t.same(statusClaim('https://as.example', LIST_SIZE - 1), {
    status_list: { idx: LIST_SIZE - 1, uri: 'https://as.example/oauth/status-lists/0' },
  })
  for (const index of [0, 1, LIST_SIZE, 3_000_000]) {
    t.equal(namedIndex(statusClaim('https://as.example/base', index)), index)
  }
})

t.test('what names no place names none', async (t) => {
  for (const claim of [
    undefined,
    null,
    7,
    {},
    { status_list: { idx: 1 } },
    { status_list: { idx: '1', uri: 'x/1' } },
  ]) {
    t.equal(namedIndex(claim), undefined)
  }
})
