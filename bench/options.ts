import { parseArgs } from 'node:util'

export const USAGE = `npm run bench -- [options]
  --rounds N        how often each case is measured (5)
  --seconds S       how long each time (3)
  --connections C   connections at once (16)
  --only A,B        these cases only, with what they are compared to
  --compare FILE    tell what got slower than in a former result
  --all             also how fast a revocation arrives, and a spray of bad credentials
  --spray N         how many bad credentials (200000)
  --storage         only what fills a PostgreSQL: expired grants, very many keys, a day in ten minutes
  --grants N, --keys N, --minutes N   how many, how long (1000000, 10000000, 10)
  --pages         only the lists of the admin API, near the front and far from it
  --rows N        how many rows each has (1000000)
  --profile DIR     CPU profiles of the servers
The embedded database is measured, or with DATABASE_URL a database made on that PostgreSQL.`

/** What the benchmark was told. */
export interface Options {
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
  readonly only: readonly string[]
  readonly compare: string | undefined
  readonly all: boolean
  readonly spray: number
  readonly storage: boolean
  readonly grants: number
  readonly keys: number
  readonly minutes: number
  readonly pages: boolean
  readonly rows: number
  readonly profile: string | undefined
}

/** @throws {TypeError} when an option is unknown or no number */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      connections: { type: 'string', default: '16' },
      only: { type: 'string', default: '' },
      compare: { type: 'string' },
      all: { type: 'boolean', default: false },
      spray: { type: 'string', default: '200000' },
      storage: { type: 'boolean', default: false },
      grants: { type: 'string', default: '1000000' },
      keys: { type: 'string', default: '10000000' },
      minutes: { type: 'string', default: '10' },
      pages: { type: 'boolean', default: false },
      rows: { type: 'string', default: '1000000' },
      profile: { type: 'string' },
    },
  })
  return {
    rounds: numberOf('rounds', values.rounds),
    seconds: numberOf('seconds', values.seconds),
    connections: numberOf('connections', values.connections),
    only: values.only.split(',').filter(Boolean),
    compare: values.compare,
    all: values.all,
    spray: numberOf('spray', values.spray),
    storage: values.storage,
    grants: numberOf('grants', values.grants),
    keys: numberOf('keys', values.keys),
    minutes: numberOf('minutes', values.minutes),
    pages: values.pages,
    rows: numberOf('rows', values.rows),
    profile: values.profile,
  }
}

function numberOf(name: string, text: string): number {
  if (!/^[1-9]\d{0,7}$/.test(text)) throw new TypeError(`--${name} is a number from 1`)
  return Number(text)
}
