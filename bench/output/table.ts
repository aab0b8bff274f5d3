import { GROUPS } from '../cases/case.ts'
import type { Measured } from '../figures.ts'
import { perRequest, short } from './numbers.ts'

/** The heads of the columns, in the terminal and in the report. */
export const COLUMNS = ['req/s', 'req/CPU s', 'p50 ms', 'p99 ms', 'bytes', 'queries', 'writes', 'ratio', 'target']

/** What stands in the columns for a case. */
export function cells({ median, wrong, target }: Measured): string[] {
  return [
    short(median.perSecond),
    short(median.perCpuSecond),
    short(median.p50),
    short(median.p99),
    short(median.bytes),
    perRequest(median.queries),
    perRequest(median.writes),
    ratioText(median.ratio),
    wrong > 0 ? `INVALID: ${wrong} wrong answers` : targetText(target),
  ]
}

/** The cases of each group that has any, in the order of the groups. */
export function byGroup(measured: readonly Measured[]): { title: string; members: Measured[] }[] {
  return Object.entries(GROUPS)
    .map(([group, title]) => ({ title, members: measured.filter((one) => one.group === group) }))
    .filter(({ members }) => members.length > 0)
}

/** The table as a terminal shows it. */
export function renderTable(measured: readonly Measured[]): string {
  const rows = byGroup(measured).map(({ title, members }) => ({
    title,
    rows: members.map((one) => [`  ${one.title}`, ...cells(one)]),
  }))
  const all = [['', ...COLUMNS], ...rows.flatMap((group) => group.rows)]
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? []
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === 0 || column === row.length - 1
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return [line(all[0] ?? []), ...rows.flatMap((group) => [group.title, ...group.rows.map(line)])].join('\n')
}

function ratioText(ratio: number): string {
  if (!Number.isFinite(ratio)) return '-'
  return ratio < 0.005 ? ratio.toExponential(0) : ratio.toFixed(2)
}

function targetText(target: Measured['target']): string {
  if (target === undefined) return ''
  const { against, ratio, atLeast, met } = target
  return `${ratio.toFixed(2)} of ${against}, ${met ? 'at least' : 'MISSED'} ${atLeast.toFixed(2)}`
}
