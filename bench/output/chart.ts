import type { Measured } from '../figures.ts'
import { short } from './numbers.ts'
import type { Results } from './results.ts'

const WIDTH = 840
const LABEL = 330
const VALUE = 70
const ROW = 24
const HEAD = 44

/** Cases that are set side by side on one scale. */
const PANELS: readonly { title: string; isMember(one: Measured): boolean }[] = [
  { title: 'One request with a credential, or without', isMember: (one) => !isIssuing(one) },
  { title: 'Issuing, introspecting and signing in', isMember: isIssuing },
]

function isIssuing({ group, name }: Measured): boolean {
  return group === 'endpoint' || name === 'oidc-provider' || name === 'argon2id'
}

/** A bar for each case: requests per CPU second. Reads on a light and on a dark page. */
export function renderChart({ machine, cases }: Results): string {
  const panels = PANELS.map(({ title, isMember }) => ({ title, members: cases.filter(isMember) })).filter(
    ({ members }) => members.length > 0,
  )
  let y = 40
  const body = panels.map(({ title, members }) => {
    const panel = renderPanel(title, members, y)
    y += HEAD + members.length * ROW
    return panel
  })
  const height = y + 20
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title">
<title id="title">Requests per CPU second</title>
<style>
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .head { font-weight: 600 }
  .note { fill: #57606a; font-size: 12px }
  .ours { fill: #0969da }
  .other { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .note { fill: #9198a1 }
    .ours { fill: #4493f8 }
    .other { fill: #656c76 }
  }
</style>
<text class="note" x="8" y="20">Requests per CPU second; blue is Gatehouse. ${escape(machine.cpu)}, Node ${machine.node}, ${escape(machine.database)}</text>
${body.join('\n')}
</svg>
`
}

function renderPanel(title: string, members: readonly Measured[], top: number): string {
  const most = Math.max(...members.map(({ median }) => median.perCpuSecond))
  const bars = members.map(({ title: name, group, name: id, median }, index) => {
    const y = top + HEAD - 8 + index * ROW
    const width = Math.max(1, (median.perCpuSecond / most) * (WIDTH - LABEL - VALUE - 16))
    const ours = group !== 'rival' && !['bare', 'twin', 'bare-fastify'].includes(id)
    const kind = { cold: ', never seen', warm: ', seen before', refused: ', refused' }[group as string] ?? ''
    return `<text x="${LABEL - 8}" y="${y + 13}" text-anchor="end">${escape(name + kind)}</text>
<rect class="${ours ? 'ours' : 'other'}" x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="17" rx="2"/>
<text x="${(LABEL + width + 6).toFixed(1)}" y="${y + 13}">${short(median.perCpuSecond)}</text>`
  })
  return `<text class="head" x="8" y="${top + 22}">${escape(title)}</text>\n${bars.join('\n')}`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
