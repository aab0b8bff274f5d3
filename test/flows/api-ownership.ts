import t from 'tap'
import { ofMachine, ofPerson } from '../fixtures/access/callers.ts'
import { type Caller, expected, ROUTES, type Route } from '../fixtures/access/table.ts'
import { THINGS, type Thing } from '../fixtures/access/things.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { makePerson, type Person } from '../fixtures/people.ts'

const server = await startGatehouse(t)
const OWNED = ROUTES.filter(({ own }) => own !== undefined)

/** A caller and whom it stands for; a machine stands for itself, and owns none of these things. */
interface Owner {
  readonly caller: Caller
  readonly person: Person | undefined
}

async function owners(): Promise<Owner[]> {
  const found: Owner[] = []
  for (const role of ['user', 'admin', 'service'] as const) {
    const person = await makePerson(server, role)
    for (const caller of await ofPerson(server, person)) found.push({ caller, person })
  }
  const machines = [...(await ofMachine(server, 'SERVICE')), ...(await ofMachine(server, 'ADMIN'))]
  return [...found, ...machines.map((caller) => ({ caller, person: undefined }))]
}

async function call(route: Route, { id }: Thing, { headers }: Caller): Promise<{ status: number; code?: string }> {
  const path = route.route.replace(/:\w+/, encodeURIComponent(id))
  const response = await server.fetch(path, { method: route.method, headers })
  return { status: response.status, code: ((await response.json()) as { code?: string }).code }
}

t.test('each route that names a thing of an account says whose it may be', async (t) => {
  for (const { route, role, own } of ROUTES) {
    t.equal(own !== undefined, role === undefined && route.includes('/:'), route)
  }
})

t.test("another's thing does not exist for any caller, and stays; one's own does (ASVS V8.2.2)", async (t) => {
  const stranger = await makePerson(server)
  const everybody = await owners()
  for (const route of OWNED) {
    if (route.own === undefined) continue
    const { thing, status } = route.own
    const others = await THINGS[thing](server, stranger)
    for (const { caller, person } of everybody) {
      const name = `${route.method} ${route.route} with ${caller.name}`
      const { status: refused, code } = expected(route, caller)
      t.match(await call(route, others, caller), { status: refused, code }, `${name}: another's`)
      const isOpen = refused === route.good && !(route.accountOnly && caller.isClient)
      // A grant takes pages and a library to make, and a refusal does not look at it.
      if (person === undefined || (thing === 'grant' && !isOpen)) continue
      const own = await THINGS[thing](server, person)
      const answer = await call(route, own, caller)
      t.equal(answer.status, isOpen ? status : refused, `${name}: own`)
      t.equal(await own.isThere(), !isOpen, `${name}: own`)
    }
    t.ok(await others.isThere(), `${route.method} ${route.route}: another's is as it was`)
  }
})
