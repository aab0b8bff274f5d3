import type { Machine } from '../machine.ts'
import type { Day } from '../storage/day.ts'
import type { ExpiredGrants } from '../storage/expired-grants.ts'
import type { AmongKeys } from '../storage/many-keys.ts'
import type { Storage } from '../storage/storage.ts'
import { short } from './numbers.ts'

const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`
const count = (value: number) => value.toLocaleString('en')
const verdict = (met: boolean, target: string) => `${met ? 'Within' : 'MISSED:'} ${target}.`
const seconds = (value: number | undefined) => (value === undefined ? 'not within 600 s' : `after ${value} s`)

/** The report in Markdown. */
export function renderStorage(machine: Machine, { expiredGrants, manyKeys, day }: Storage): string {
  const { cpu, cores, memoryGiB, node, database, date } = machine
  return `${[
    '# A database that fills up, and empties',
    `${date} UTC on ${cpu}, ${cores} cores, ${memoryGiB} GiB; Node ${node}, ${database}.`,
    expiredGrantsSection(expiredGrants),
    manyKeysSection(manyKeys),
    daySection(day),
  ].join('\n\n')}\n`
}

function expiredGrantsSection(one: ExpiredGrants): string {
  const { grants, restingSize, peakSize, finalSize, tokensSize, goneAfter, backAfter, p99Before, p99During } = one
  return [
    `## ${count(grants)} expired grants`,
    `Their table with its indexes took ${mib(restingSize)} at rest, ${mib(peakSize)} with them and ${mib(finalSize)} in the end,
${mib(tokensSize)} of it tokens that were issued meanwhile.
The last was deleted ${seconds(goneAfter)}; the table was back at its size ${seconds(backAfter)}.
${verdict(backAfter !== undefined, 'ten minutes')}`,
    `p99 of the issue of a token: ${short(p99Before)} ms before, ${short(p99During)} ms in the worst ten seconds meanwhile.
${verdict(p99During < 2 * p99Before, 'twice as long')}`,
  ].join('\n\n')
}

function manyKeysSection(among: readonly AmongKeys[]): string {
  const [few, many] = [among[0], among.at(-1)]
  const ratio = (many?.p99 ?? Number.NaN) / (few?.p99 ?? Number.NaN)
  return [
    '## An API key that was never seen, among many',
    [
      '| keys | p50 ms | p99 ms |',
      '| --: | --: | --: |',
      ...among.map(({ keys, p50, p99 }) => `| ${count(keys)} | ${short(p50)} | ${short(p99)} |`),
    ].join('\n'),
    `The p99 is ${short(ratio)} times that among few. ${verdict(ratio <= 1.3, '1.3 times')}`,
  ].join('\n\n')
}

function listOf(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([what, number]) => `${what}: ${count(number)}`)
    .join(', ')
}

function daySection({ hours, requests, wrong, wrongBy, early, late, earlyRows, lateRows }: Day): string {
  return [
    `## ${short(hours)} hours in ${short((hours * 60) / 144)} minutes`,
    `A server whose clock runs 144 times as fast, under a steady load of everything: ${count(requests)} requests, ${count(wrong)} of them
with another answer than expected${wrong > 0 ? ` (${listOf(wrongBy)})` : ''}. Resident memory ${mib(early)} in the second minute, ${mib(late)} in the last;
${count(earlyRows)} rows of tokens and grants then, ${count(lateRows)} in the end. ${verdict(late <= 1.1 * early, 'a tenth of where it was')}`,
  ].join('\n\n')
}
