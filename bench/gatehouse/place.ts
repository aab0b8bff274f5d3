import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'

/** A database of the benchmark's own, made for it and dropped after it. */
export interface Place {
  /** The variables with which a server opens it. */
  readonly env: Readonly<Record<string, string>>
  /** Its URL, where it is on a PostgreSQL. */
  readonly url: string | undefined
  readonly dataDir: string
  /** For the report, such as `PostgreSQL 15.20`. */
  readonly version: string
  drop(): Promise<void>
}

/** @param server the URL of a PostgreSQL where a database can be made; embedded when left out */
export async function makePlace(server: string | undefined): Promise<Place> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'))
  const removeDirectory = () => rm(dataDir, { recursive: true, force: true })
  if (server === undefined || server === '') {
    return { env: { DATA_DIR: dataDir }, url: undefined, dataDir, version: 'embedded (PGlite)', drop: removeDirectory }
  }
  const name = `gatehouse_bench_${randomBytes(6).toString('hex')}`
  const [row] = await administer(server, `select current_setting('server_version') as version`)
  await administer(server, `create database ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return {
    env: { DATA_DIR: dataDir, DATABASE_URL: url.href },
    url: url.href,
    dataDir,
    version: `PostgreSQL ${String(row?.version).split(' ')[0]}`,
    async drop() {
      await removeDirectory()
      await administer(server, `drop database if exists ${name} with (force)`)
    },
  }
}

async function administer(url: string, statement: string) {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} })
  try {
    return await sql.unsafe(statement)
  } finally {
    await sql.end({ timeout: 5 })
  }
}
