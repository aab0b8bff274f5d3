/** How many places a list has: so many that who fetches one tells nobody whose token it is about. */
export const LIST_SIZE = 2 ** 18

/** The claim of a token that says where its status is (draft-ietf-oauth-status-list-21 6.1). */
export interface StatusClaim {
  readonly status_list: { readonly idx: number; readonly uri: string }
}

/** Where the lists are; each is below, by its number. */
export const statusListsUrl = (issuer: string) => `${issuer}/oauth/status-lists`

/** Where a list is: its `sub`, and what tokens name it by. */
export const statusListUrl = (issuer: string, list: number) => `${statusListsUrl(issuer)}/${list}`

/** The list that an index is in, and its place there. */
export const placeOf = (index: number) => ({ list: Math.floor(index / LIST_SIZE), idx: index % LIST_SIZE })

/** The claim by which a token names its index. */
export function statusClaim(issuer: string, index: number): StatusClaim {
  const { list, idx } = placeOf(index)
  return { status_list: { idx, uri: statusListUrl(issuer, list) } }
}

/** The index that a token of ours names; undefined when it names none. */
export function namedIndex(claim: unknown): number | undefined {
  const { idx, uri } = Object((claim as Partial<StatusClaim> | null | undefined)?.status_list)
  const list = /\/(\d{1,9})$/.exec(String(uri))?.[1]
  return Number.isInteger(idx) && list !== undefined ? Number(list) * LIST_SIZE + idx : undefined
}
