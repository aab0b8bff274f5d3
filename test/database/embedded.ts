import { once } from 'node:events'
import { createConnection } from 'node:net'
import postgres from 'postgres'
import t from 'tap'
import { type EmbeddedDatabase, startEmbedded } from '../../src/database/embedded.ts'
import { makeDirectory } from '../fixtures/processes.ts'

const ROUNDS = 100

const embedded = await startEmbedded(await makeDirectory(t))
t.teardown(() => embedded.close())

const socketOf = ({ address }: EmbeddedDatabase) => ('socket' in address ? address.socket : '')

function connect() {
  const settings = { path: socketOf(embedded), username: 'postgres', database: 'postgres', max: 1, onnotice: () => {} }
  const connection = postgres(settings)
  t.teardown(() => connection.end({ timeout: 1 }))
  return connection
}

t.test('connections that ask at the same time each get their own answers', async (t) => {
  const wrong: unknown[] = []
  const ask = async (connection: Pick<ReturnType<typeof connect>, 'unsafe'>, who: number, round: number) => {
    const [answer] = await connection.unsafe(`select ${who} as who, $1::int as round`, [round])
    if (answer?.who !== who || answer?.round !== round) wrong.push({ who, round, answer })
  }
  const inTurn = async (who: number) => {
    const connection = connect()
    for (let round = 0; round < ROUNDS; round += 1) await ask(connection, who, round)
  }
  const inTransactions = async (who: number) => {
    const connection = connect()
    for (let round = 0; round < ROUNDS; round += 1) {
      await connection.begin(async (transaction) => {
        await ask(transaction, who, round)
        await ask(transaction, who, round)
      })
    }
  }
  await Promise.all([inTurn(1), inTurn(2), inTurn(3), inTransactions(4), inTransactions(5)])
  t.strictSame(wrong, [])
})

t.test('the changes of a transaction are not seen, nor mixed with others, until it ends', async (t) => {
  const [one, other] = [connect(), connect()]
  await one.unsafe('create table tally (who int)')
  const rolledBack = one.begin(async (transaction) => {
    await transaction.unsafe('insert into tally values ($1)', [1])
    throw new Error('undone')
  })
  const inserted = other.unsafe('insert into tally values ($1)', [2])
  await t.rejects(rolledBack, { message: 'undone' })
  await inserted
  t.strictSame([...(await one.unsafe('select who from tally'))], [{ who: 2 }])
})

t.test('a query that fails ends its turn', async (t) => {
  const [one, other] = [connect(), connect()]
  const failing = Array.from({ length: 10 }, () => one.unsafe('select $1::int / 0', [1]).catch(({ code }) => code))
  const working = Array.from({ length: 10 }, (_, round) => other.unsafe('select $1::int as round', [round]))
  t.strictSame(await Promise.all(failing), Array(10).fill('22012'))
  const answers = await Promise.all(working)
  t.strictSame(
    answers.map(([row]) => row?.round),
    working.map((_, round) => round),
  )
})

t.test('a connection that is lost in the middle of a query or a transaction does not hold up the others', async (t) => {
  const other = connect()
  const begin = message('Q', 'begin\0')
  const halfAQuery = message('P', '\0select 1\0', Buffer.alloc(2))
  for (const sent of [halfAQuery, begin, Buffer.concat([begin, halfAQuery])]) {
    const lost = createConnection(socketOf(embedded))
    lost.write(startup())
    await once(lost, 'data')
    lost.write(sent)
    await once(lost, 'data')
    const waiting = other.unsafe('select $1::int as one', [1])
    lost.destroy()
    t.strictSame([...(await waiting)], [{ one: 1 }])
  }
})

/** A message of the PostgreSQL protocol: a letter, the length, the rest. */
function message(letter: string, text: string, more = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from(letter), lengthAndBody(Buffer.from(text), more)])
}

function startup(): Buffer {
  const version = Buffer.from([0, 3, 0, 0])
  return lengthAndBody(version, Buffer.from('user\0postgres\0database\0postgres\0\0'))
}

function lengthAndBody(...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([length, body])
}
