import type { Measured } from '../figures.ts'
import type { Revocations } from '../revocation.ts'
import type { Spray } from '../spray.ts'
import { short } from './numbers.ts'
import type { Results } from './results.ts'
import { byGroup, COLUMNS, cells } from './table.ts'

/** The report in Markdown, with the chart beside it. */
export function renderReport({ machine, settings, cases, revocations, spray }: Results): string {
  const { cpu, cores, memoryGiB, system, node, database, date } = machine
  return `${[
    '# Benchmark',
    `${date} UTC on ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}; Node ${node}, ${database}. ` +
      `Medians of ${settings.rounds} interleaved rounds of ${settings.seconds} s with ${settings.connections} connections.`,
    '![Requests per CPU second](chart.svg)',
    EXPLANATION,
    ...byGroup(cases).map(({ title, members }) => `## ${title}\n\n${markdownTable(members)}`),
    ...(revocations === undefined ? [] : [revocationSection(revocations)]),
    ...(spray === undefined ? [] : [spraySection(spray)]),
  ].join('\n\n')}\n`
}

const EXPLANATION = `Requests per CPU second of the server's process (req/CPU s) are the figures to compare: they survive a busy machine.
Ratio sets them in relation to \`GET /api/me\` without a credential: the same answer of the same process, for anyone.
Rivals have that route under the same plugins and hooks in processes of their own. Bytes are those of a request
and its answer on the wire. Queries and writes are the statements a request sends, counted in the driver. With the
embedded database its work is part of the server's CPU time; a PostgreSQL works outside of it.`

function markdownTable(members: readonly Measured[]): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    row(['', ...COLUMNS]),
    row(['---', ...COLUMNS.map((name) => (name === 'target' ? '---' : '--:'))]),
    ...members.map((one) => row([one.title, ...cells(one)])),
  ].join('\n')
}

function revocationSection(revocations: readonly Revocations[]): string {
  return [
    '## From a revocation to the first refusal',
    '',
    '| process | revocations | p50 ms | p99 ms | worst ms | accepted after |',
    '| --- | --: | --: | --: | --: | --: |',
    ...revocations.map(
      ({ where, count, p50, p99, worst, acceptedAfter }) =>
        `| ${where} | ${count} | ${short(p50)} | ${short(p99)} | ${short(worst)} | ${acceptedAfter} |`,
    ),
    '',
    'Counted from the answer to the revocation. Accepted after: requests that were sent after that answer and still let in.',
  ].join('\n')
}

function spraySection({ credentials, rssBefore, rssAfter, good }: Spray): string {
  const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`
  return [
    '## A spray of bad credentials',
    '',
    `${credentials.toLocaleString('en')} distinct ones. Resident memory before ${mib(rssBefore)}, after ${mib(rssAfter)}.`,
    '',
    '| good traffic | p50 ms | p99 ms |',
    '| --- | --: | --: |',
    ...good.map(({ beside, p50, p99 }) => `| ${beside} | ${short(p50)} | ${short(p99)} |`),
  ].join('\n')
}
