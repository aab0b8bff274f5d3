import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Measured } from '../figures.ts'
import type { Machine } from '../machine.ts'
import type { Revocations } from '../revocation.ts'
import type { Spray } from '../spray.ts'
import type { Pages } from '../storage/pages.ts'
import type { Storage } from '../storage/storage.ts'
import { renderChart } from './chart.ts'
import { renderPages } from './pages.ts'
import { renderReport } from './report.ts'
import { renderStorage } from './storage.ts'

/** Everything a run found out, as `latest.json` holds it. */
export interface Results {
  readonly machine: Machine
  readonly settings: { readonly rounds: number; readonly seconds: number; readonly connections: number }
  readonly cases: readonly Measured[]
  readonly revocations?: readonly Revocations[]
  readonly spray?: Spray
}

const FOLDER = fileURLToPath(new URL('../results/', import.meta.url))

/** Writes the results as data, report and chart; returns the folder. */
export async function writeResults(results: Results): Promise<string> {
  await mkdir(FOLDER, { recursive: true })
  await writeFile(`${FOLDER}latest.json`, `${JSON.stringify(results, rounded, 2)}\n`)
  await writeFile(`${FOLDER}report.md`, renderReport(results))
  await writeFile(`${FOLDER}chart.svg`, renderChart(results))
  return FOLDER
}

/** Writes what a database that fills up does, beside the other results; returns the report. */
export async function writeStorage(machine: Machine, storage: Storage): Promise<string> {
  await mkdir(FOLDER, { recursive: true })
  await writeFile(`${FOLDER}storage.json`, `${JSON.stringify({ machine, ...storage }, rounded, 2)}\n`)
  const report = renderStorage(machine, storage)
  await writeFile(`${FOLDER}storage.md`, report)
  return report
}

/** Writes what pages of lists take; returns the report. */
export async function writePages(machine: Machine, pages: Pages): Promise<string> {
  await mkdir(FOLDER, { recursive: true })
  await writeFile(`${FOLDER}pages.json`, `${JSON.stringify({ machine, ...pages }, rounded, 2)}\n`)
  const report = renderPages(machine, pages)
  await writeFile(`${FOLDER}pages.md`, report)
  return report
}

export async function readResults(file: string): Promise<Results> {
  return JSON.parse(await readFile(file, 'utf8')) as Results
}

/** Six significant digits say more than was measured. */
function rounded(_name: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(6)) : value
}
