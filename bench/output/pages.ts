import type { Machine } from '../machine.ts'
import type { ListedPages, Pages } from '../storage/pages.ts'
import { short } from './numbers.ts'

const count = (value: number) => value.toLocaleString('en')
const ratioOf = ({ first, far }: ListedPages) => far.p50 / first.p50

/** The report in Markdown. */
export function renderPages(machine: Machine, { rows, pageSize, farPage, lists }: Pages): string {
  const { cpu, cores, memoryGiB, node, database, date } = machine
  const worst = Math.max(...lists.map(ratioOf))
  return `${[
    '# Lists, near the front and far from it',
    `${date} UTC on ${cpu}, ${cores} cores, ${memoryGiB} GiB; Node ${node}, ${database}.`,
    `${count(rows)} rows of each kind, ${pageSize} to a page: the first page and page ${count(farPage)}, in milliseconds to the
answer, one request after the other, medians of rounds in turn.`,
    [
      '| list | first p50 | far p50 | first p99 | far p99 | far to first |',
      '| :-- | --: | --: | --: | --: | --: |',
      ...lists.map(
        (one) =>
          `| \`${one.list.replace(/=[0-9a-z_-]{20,}/, '=…')}\` | ${short(one.first.p50)} | ${short(one.far.p50)} | ${short(one.first.p99)} | ${short(one.far.p99)} | ${short(ratioOf(one))} |`,
      ),
    ].join('\n'),
    `At the worst the far page takes ${short(worst)} times the first.`,
  ].join('\n\n')}\n`
}
