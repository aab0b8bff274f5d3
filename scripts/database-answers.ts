/** Exits 0 when a PostgreSQL answers at the URL given. */
import postgres from 'postgres'

const [, , url = ''] = process.argv
const sql = postgres(url, { max: 1, connect_timeout: 3, onnotice: () => {} })
try {
  await sql`select 1`
} catch {
  process.exitCode = 1
} finally {
  await sql.end({ timeout: 1 })
}
