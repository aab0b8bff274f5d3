import { sql } from 'drizzle-orm'
import type { Database } from './client.ts'

/** Pages whose rows move in one transaction, which takes some 30 ms. */
const PAGES_AT_ONCE = 100
/** More than a page has room for (MaxHeapTuplesPerPage of 8 KiB). */
const MOST_ROUNDS = 300
const MOST_PASSES = 3
/** What a page has for rows, and what each takes of it besides its own bytes. */
const PAGE_BYTES = 8_168
const ROW_BYTES = 12

/**
 * Gives the disk back what a large purge has freed, without a lock that anyone waits for long. A million rows that
 * were deleted from `provider_models` before ten thousand stayed at 1,002 MB of 10 after VACUUM: it cuts off empty
 * pages only at the end of the table, where the rows are that came meanwhile, and never those of an index.
 * So where most of the table is free: VACUUM, which has new versions written at the front; rows at the back are
 * updated to themselves; VACUUM again, which cuts the end off; and the indexes are built anew beside the old ones.
 * @param closing ends it after the statement under way
 */
export async function compactTable(db: Database, table: string, closing?: AbortSignal): Promise<void> {
  const name = sql.identifier(table)
  const vacuum = sql`vacuum (index_cleanup on) ${name}`
  await dropBroken(db, table)
  await db.execute(vacuum)
  const [size] = await db.execute<{ pages: number; needed: number }>(sql`
    select relpages as pages, 10 + ceil(1.1 * coalesce(bytes, 0) / ${PAGE_BYTES}::int)::int as needed
    from pg_class, (select sum(pg_column_size(moved) + ${ROW_BYTES}::int) as bytes from ${name} as moved) as live
    where oid = ${table}::regclass`)
  if (size === undefined || size.pages < 2 * size.needed) return
  for (let pass = 0; pass < MOST_PASSES; pass += 1) {
    if (!(await moveToFront(db, table, size, closing))) break
  }
  if (closing?.aborted) return
  await db.execute(vacuum)
  if (closing?.aborted) return
  await db.execute(sql`reindex table concurrently ${name}`)
}

/** An index whose building was cut off is written by every insert and read by nobody, until it is dropped. */
async function dropBroken(db: Database, table: string): Promise<void> {
  const broken = await db.execute<{ name: string }>(sql`
    select relname as name from pg_index join pg_class on pg_class.oid = indexrelid
    where indrelid = ${table}::regclass and not indisvalid`)
  for (const { name } of broken) await db.execute(sql`drop index concurrently if exists ${sql.identifier(name)}`)
}

/**
 * Has the rows from the first page that is not needed on written anew where there is room before it, up to the
 * page that was the last; returns whether there were any.
 */
async function moveToFront(
  db: Database,
  table: string,
  { pages, needed }: { pages: number; needed: number },
  closing?: AbortSignal,
): Promise<boolean> {
  const name = sql.identifier(table)
  const at = (page: number) => sql`${`(${page},0)`}::tid`
  for (let from = needed, moved = false; ; moved = true) {
    const [first] = await db.execute<{ page: number }>(sql`
      select (ctid::text::point)[0]::int as page from ${name} where ctid >= ${at(from)} limit 1`)
    if (first === undefined || first.page >= pages || closing?.aborted) return moved
    from = first.page + PAGES_AT_ONCE
    await db.transaction(async (tx) => {
      // Versions stay on their page until it is full, and the room of old ones is not used again before the commit.
      for (let round = 0, count = 1; count > 0 && round < MOST_ROUNDS; round += 1) {
        const rows = await tx.execute(sql`
          update ${name} set expires_at = expires_at where ctid = any(array(
            select ctid from ${name} where ctid >= ${at(first.page)} and ctid < ${at(from)} for no key update skip locked))
          returning 1`)
        count = rows.length
      }
    })
  }
}
