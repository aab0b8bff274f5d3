/** Fails when a `schema.ts` has changes that no migration in `drizzle/` makes. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const copy = mkdtempSync('.drizzle-check-')
try {
  cpSync('drizzle', copy, { recursive: true })
  const before = readdirSync(copy).length
  const generate = ['generate', '--dialect', 'postgresql', '--schema', 'src/*/schema.ts', '--out', copy]
  execFileSync(join('node_modules', '.bin', 'drizzle-kit'), generate, { stdio: 'pipe' })
  if (readdirSync(copy).length !== before) {
    throw new Error('a schema.ts has changes without a migration: run `npx drizzle-kit generate`')
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
