/** Fails when a source or test file is over 250 lines, or the median source file over 70. */
import { globSync, readFileSync } from 'node:fs'

const MOST = 250
const MEDIAN = 70

const sizes = (pattern: string) =>
  globSync(pattern).map((file) => ({ file, lines: readFileSync(file, 'utf8').split('\n').length - 1 }))

const sources = sizes('src/**/*.ts').sort((a, b) => a.lines - b.lines)
const tooLong = [...sources, ...sizes('test/**/*.ts'), ...sizes('views/assets/**/*.js')].filter(({ lines }) => lines > MOST)
const median = sources[Math.floor(sources.length / 2)]?.lines ?? 0

for (const { file, lines } of tooLong) console.error(`${file} has ${lines} lines; ${MOST} are the most`)
if (median > MEDIAN) console.error(`the median source file has ${median} lines; ${MEDIAN} are the most`)
if (tooLong.length > 0 || median > MEDIAN) process.exitCode = 1
