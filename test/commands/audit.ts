import { readFile, writeFile } from 'node:fs/promises'
import { eq, sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { keysAmong } from '../../src/audit/checkpoint.ts'
import { openExport } from '../../src/audit/export.ts'
import { verifyLog } from '../../src/audit/verify.ts'
import { auditEvents } from '../../src/database/schema.ts'
import { eventsOf, tamper } from '../fixtures/audit.ts'
import { makeClient, tokenRequest } from '../fixtures/clients.ts'
import { eventually } from '../fixtures/eventually.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'
import { createOperator } from '../fixtures/operator.ts'
import { makePerson, PASSWORD, signIn } from '../fixtures/people.ts'
import { makeDirectory, runCli } from '../fixtures/processes.ts'

interface Verdict {
  readonly ok: boolean
  readonly events: number
  readonly head: { day: string; seq: number; hash: string }
  readonly problem?: { day: string; seq: number; kind: string }
  readonly keys?: string
}

const server = await startGatehouse(t)
const operator = createOperator(server.env)
/** Where nothing is configured, as on the machine of an auditor. */
const nowhere = { DATABASE_URL: 'postgres://nobody.invalid/none', SECRET_KEYS: undefined }

/** A verification by command: its answer and whether it succeeded. */
async function verify(t: Test, args: readonly string[], env: Record<string, string | undefined> = server.env) {
  const { code, stdout, stderr } = await runCli(['audit', 'verify', ...args, '--json'], env)
  t.equal(stderr, '')
  const verdict = JSON.parse(stdout) as Verdict
  t.equal(code, verdict.ok ? 0 : 1, 'the exit code tells it too')
  return verdict
}

async function everythingIsLinked(): Promise<void> {
  const left = await eventually(
    () => server.db.$count(auditEvents, sql`seq is null`),
    (count) => count === 0,
    30_000,
  )
  if (left > 0) throw new Error(`${left} events are not linked`)
}

/** An export of a log with events of several kinds, and the keys that the operator hands to an auditor. */
async function exported(t: Test) {
  const directory = await makeDirectory(t)
  const [file, jwks] = [`${directory}/audit.jsonl`, `${directory}/jwks.json`]
  await signIn(server, await makePerson(server))
  const machine = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
  await tokenRequest(server, machine, { grant_type: 'client_credentials' })
  await everythingIsLinked()
  await operator.run(t, ['audit', 'export', '--to', file])
  await writeFile(jwks, JSON.stringify(await operator.run(t, ['audit', 'keys'])))
  return { directory, file, jwks, text: await readFile(file, 'utf8') }
}

t.test('audit verify: the log of a running server is whole', async (t) => {
  await signIn(server, await makePerson(server))
  await everythingIsLinked()
  const { ok, events, head } = await verify(t, [])
  t.equal(ok, true)
  t.ok(events >= 6)
  t.equal((await verify(t, ['--head', `${head.day}/${head.seq}/${head.hash}`])).ok, true)
  t.match(await verify(t, ['--head', `${head.day}/${head.seq}/${'A'.repeat(43)}`]), {
    ok: false,
    problem: { kind: 'altered' },
  })
  t.match(await operator.refused(t, ['audit', 'verify', '--head', 'yesterday']), /DAY\/SEQ\/HASH/)
  t.match(await operator.refused(t, ['audit', 'verify', '--jwks', 'f']), /goes with --file/)
})

t.test('audit export: JSON lines that verify without a database, by the keys that an auditor holds', async (t) => {
  const { directory, file, jwks, text } = await exported(t)
  for (const line of text.trimEnd().split('\n')) t.type(JSON.parse(line), 'object')
  t.match(await verify(t, ['--file', file, '--jwks', jwks], nowhere), { ok: true, keys: 'yours' })
  t.match(await verify(t, ['--file', file], nowhere), { ok: true, keys: /of the export itself/ }, 'with less assurance')

  const {
    keys: [key],
  } = JSON.parse(await readFile(jwks, 'utf8'))
  const other = `${directory}/other.json`
  await writeFile(other, JSON.stringify({ keys: [{ ...key, kid: 'another' }] }))
  t.match(await verify(t, ['--file', file, '--jwks', other], nowhere), { problem: { kind: 'forged checkpoint' } })

  const { stdout, code } = await runCli(['audit', 'export'], server.env)
  t.strictSame({ code, stdout }, { code: 0, stdout: text }, 'without --to it goes to standard output')
  t.match(await operator.refused(t, ['audit', 'export', '--to', file]), /EEXIST/, 'no file is overwritten')
  t.match(await operator.refused(t, ['audit', 'export', '--since', 'May']), /--since is a day/)
  const since = await runCli(['audit', 'export', '--since', '2999-01-01'], server.env)
  t.equal(since.stdout.split('\n').length, 2, 'the keys alone')
})

t.test('an export in which a byte was changed fails, wherever it is', async (t) => {
  const { directory, jwks, text } = await exported(t)
  const findKey = keysAmong(JSON.parse(await readFile(jwks, 'utf8')).keys)
  const start = text.indexOf('\n') + 1
  const changed = `${directory}/changed.jsonl`
  const holds = async () => {
    try {
      return (await verifyLog((await openExport(changed)).log, { findKey, whole: false })).ok
    } catch {
      return false
    }
  }
  await writeFile(changed, text)
  t.equal(await holds(), true)
  for (let place = start; place < text.length; place += 7) {
    const other = text[place] === '0' ? '1' : '0'
    await writeFile(changed, text.slice(0, place) + other + text.slice(place + 1))
    if (await holds()) t.fail(`byte ${place}: ${text.slice(place - 20, place + 20)}`)
  }
  const lines = text.split('\n')
  await writeFile(changed, [...lines.slice(0, 3), ...lines.slice(4)].join('\n'))
  t.match(await verify(t, ['--file', changed, '--jwks', jwks], nowhere), { problem: { seq: 2, kind: 'removed' } })
  await writeFile(changed, text.slice(0, -10))
  t.match(await operator.refused(t, ['audit', 'verify', '--file', changed]), /is cut short/)
})

t.test('no token, code, password or e-mail is in an export', async (t) => {
  const person = await makePerson(server)
  const { accessToken, refreshToken } = await signIn(server, person)
  await server.post('/api/auth/login/jwt', { email: 'nobody@example.com', password: 'not the right one' })
  const machine = await makeClient(server, { type: 'machine', scope: ['profile:read'] })
  const issued = await tokenRequest(server, machine, { grant_type: 'client_credentials' })
  const { access_token } = (await issued.json()) as { access_token: string }
  const { text } = await exported(t)
  t.match(text, machine.id)
  for (const secret of [
    accessToken,
    refreshToken,
    access_token,
    machine.secret ?? '',
    PASSWORD,
    person.email,
    'nobody',
  ]) {
    t.notOk(text.includes(secret))
  }
})

t.test('what the operator does tells that it was he', async (t) => {
  const act = async () => {
    const make = ['accounts', 'create', '--email', 'op@example.com', '--password-stdin']
    const { id } = await operator.run<{ id: string }>(t, make, PASSWORD)
    await operator.run(t, ['accounts', 'set-role', id, '--role', 'service'])
    await operator.run(t, ['accounts', 'disable', id])
    await operator.run(t, ['accounts', 'enable', id])
    const { client_id } = await operator.run<{ client_id: string }>(t, [
      'clients',
      'create',
      '--name',
      'M',
      '--type',
      'machine',
    ])
    await operator.run(t, ['clients', 'rotate-secret', client_id])
    await operator.run(t, ['clients', 'delete', client_id])
    await operator.run(t, ['clients', 'registration-token'])
    await operator.run(t, [
      'resources',
      'create',
      '--identifier',
      'https://api.example/',
      '--name',
      'R',
      '--scope',
      'r',
    ])
    await operator.run(t, ['keys', 'rotate'])
  }
  const events = await eventsOf(server.db, act)
  const keys = ['retire', 'activate', 'create'].flatMap((verb) => Array(4).fill(`signing_key.${verb}`))
  t.strictSame(
    events.map(({ type }) => type),
    [
      ...['account.create', 'account.set_role', 'account.disable', 'account.enable', 'client.create'],
      ...['client.rotate_secret', 'client.delete', 'initial_access_token.issue', 'resource.create', ...keys],
    ],
  )
  for (const { actorKind, from } of events) t.strictSame({ actorKind, from }, { actorKind: 'operator', from: 'cli' })
  await everythingIsLinked()
  t.equal((await verify(t, [])).ok, true, 'also after the keys were rotated')
})

t.test('audit prune deletes the days before one, but never the newest', async (t) => {
  const prune = (day: string) => ['audit', 'prune', '--before', day]
  t.strictSame(await operator.run(t, prune('2000-01-01')), { before: '2000-01-01', deleted: 0 })
  t.match(await operator.refused(t, prune('2999-01-01')), /newest day/)
  t.match(await operator.refused(t, ['audit', 'prune']), /--before is missing/)
})

t.test('audit verify names an event that was altered', async (t) => {
  await signIn(server, await makePerson(server))
  await everythingIsLinked()
  const [row] = await server.db.select().from(auditEvents).where(eq(auditEvents.type, 'session.start')).limit(1)
  await tamper(server.db, (tx) => tx.execute(sql`update audit_events set outcome = 'failure' where id = ${row?.id}`))
  const { problem } = await verify(t, [])
  t.match(problem, { day: row?.day, seq: row?.seq, kind: 'altered' })
})
