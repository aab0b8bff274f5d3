/**
 * Fails when a row of the tables in `test/conformance/` names a test that is not there or a section that the README
 * has not, gives neither proof nor reason, or bears the identifier of another row.
 */
import { existsSync, globSync, readFileSync } from 'node:fs'

const TABLES = 'test/conformance/*.md'
const TEST = /^`([^`]+)`: "(.+)"$/
const SECTION = /^\[[^\]]+\]\(\.\.\/\.\.\/README\.md#([\w-]+)\)$/
const REASON = /^Not (offered|ours|yet): \S/

interface Row {
  readonly at: string
  readonly id: string
  /** What proves the requirement, or why nothing does. */
  readonly grounds: readonly string[]
}

const anchor = (title: string) => title.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-')
const readme = readFileSync('README.md', 'utf8')
const sections = new Set([...readme.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => anchor(title)))

const problems: string[] = []
const seen = new Map<string, string>()
for (const { at, id, grounds } of globSync(TABLES).sort().flatMap(rowsOf)) {
  const before = seen.get(id)
  if (before !== undefined) problems.push(`${at}: ${id} is there already, at ${before}`)
  seen.set(id, at)
  for (const problem of grounds.map(problemOf)) if (problem !== undefined) problems.push(`${at}: ${id}: ${problem}`)
}
if (seen.size === 0) problems.push(`${TABLES} hold no row`)
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1

/** The rows of the tables of a file, without their heads. */
function rowsOf(file: string): Row[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.flatMap((line, i) => {
    const isHead = [line, lines[i + 1] ?? ''].some((text) => /^\|[-:|]+\|$/.test(text))
    if (!line.startsWith('|') || isHead) return []
    const cells = line.split('|').slice(1, -1).map((cell) => cell.trim())
    return [{ at: `${file}:${i + 1}`, id: cells[0] ?? '', grounds: (cells.at(-1) ?? '').split('<br>') }]
  })
}

function problemOf(ground: string): string | undefined {
  const [, path, title = ''] = TEST.exec(ground) ?? []
  if (path !== undefined) {
    const file = `test/${path}`
    if (path.startsWith('fixtures/') || !existsSync(file)) return `there is no test file ${file}`
    const isThere = titlesOf(file).some((known) => known.test(title.replaceAll('\\*', '*')))
    return isThere ? undefined : `${file} has no test "${title}"`
  }
  const section = SECTION.exec(ground)?.[1]
  if (section !== undefined) return sections.has(section) ? undefined : `README.md has no section #${section}`
  return REASON.test(ground) ? undefined : `neither a test, a section of README.md nor a reason: "${ground}"`
}

/** The titles of the tests of a file, as a report prints them: what a template puts in may be anything. */
function titlesOf(file: string): RegExp[] {
  const literals = readFileSync(file, 'utf8').matchAll(/\btest\(\s*(['"`])((?:\\.|(?!\1)[^\\])+)\1/g)
  return [...literals].map(([, quote, text = '']) => {
    const parts = quote === '`' ? text.split(/\$\{[^}]*\}/) : [text.replace(/\\(.)/g, '$1')]
    return new RegExp(`^${parts.map((part) => RegExp.escape(part)).join('.+')}$`)
  })
}
