import type { Gatehouse } from '../gatehouse/gatehouse.ts'
import type { Place } from '../gatehouse/place.ts'
import type { World } from '../gatehouse/world.ts'
import { boundChecks } from './bound-checks.ts'
import { BASELINE, type Case } from './case.ts'
import { makeCheckedKey, warmChecks } from './checks.ts'
import { coldChecks } from './cold-checks.ts'
import { endpoints } from './endpoints.ts'
import { refusals } from './refusals.ts'
import { rivals, routes } from './rivals.ts'

/** Every case there is for this place. */
export async function makeCases(gatehouse: Gatehouse, world: World, place: Place): Promise<Case[]> {
  const { apiKey, answer } = await makeCheckedKey(gatehouse, world)
  return [
    ...routes(gatehouse, answer),
    ...(await warmChecks(gatehouse, world, apiKey)),
    ...boundChecks(gatehouse, world),
    ...(await coldChecks(gatehouse, world)),
    ...refusals(gatehouse),
    ...(await endpoints(gatehouse, world)),
    ...(await rivals(gatehouse, world, place, answer)),
  ]
}

/**
 * The cases with these names, and those they are compared to; all when no name is given.
 * @throws {RangeError} when there is no case of a name
 */
export function selectCases(cases: readonly Case[], names: readonly string[]): readonly Case[] {
  if (names.length === 0) return cases
  const unknown = names.find((name) => !cases.some((one) => one.name === name))
  if (unknown !== undefined) {
    throw new RangeError(`there is no case ${unknown}; there are: ${cases.map(({ name }) => name).join(', ')}`)
  }
  const against = cases.filter(({ name }) => names.includes(name)).map(({ target }) => target?.against)
  const wanted = new Set([...names, BASELINE, ...against])
  return cases.filter(({ name }) => wanted.has(name))
}
