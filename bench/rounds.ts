import type { Case } from './cases/case.ts'
import { type Sample, sampleOf } from './figures.ts'
import type { Loader } from './load/loader.ts'
import type { Progress } from './output/progress.ts'

export interface RoundsOptions {
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
}

const SETTLING_SECONDS = 0.3

/** Measures every case once a round, in an order that rotates, after each was warmed up; by the name of the case. */
export async function measureRounds(
  cases: readonly Case[],
  loader: Loader,
  { rounds, seconds, connections }: RoundsOptions,
  progress: Progress,
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(cases.map(({ name }) => [name, []]))
  const measure = async (measured: Case, forSeconds: number): Promise<Sample> => {
    const server = await measured.server()
    const load = await measured.load(forSeconds)
    // What the case before has left to collect is not to be paid by this one.
    const repeats = load.once !== true && load.chain === undefined
    if (repeats) await loader.run({ url: server.url, seconds: SETTLING_SECONDS, connections, ...load })
    const before = await server.usage()
    const result = await loader.run({ url: server.url, seconds: forSeconds, connections, ...load })
    const after = await server.usage()
    if (load.chain !== undefined) measured.keep?.(result.tokens)
    return sampleOf(result, before, after, load.expected)
  }

  for (const [index, measured] of cases.entries()) {
    progress.tell(`warming up ${index + 1}/${cases.length}: ${measured.name}`)
    await measure(measured, Math.max(1, Math.floor(seconds / 2)))
  }
  for (let round = 0; round < rounds; round += 1) {
    const shift = Math.floor((round * cases.length) / rounds)
    for (const [index, measured] of [...cases.slice(shift), ...cases.slice(0, shift)].entries()) {
      progress.tell(`round ${round + 1}/${rounds}, ${index + 1}/${cases.length}: ${measured.name}`)
      samples.get(measured.name)?.push(await measure(measured, seconds))
    }
  }
  progress.end()
  return samples
}
