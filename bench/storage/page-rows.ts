import { type SQL, sql } from 'drizzle-orm'
import type { Gatehouse } from '../gatehouse/gatehouse.ts'
import type { World } from '../gatehouse/world.ts'
import type { Progress } from '../output/progress.ts'

const AT_ONCE = 250_000

interface Table {
  readonly name: string
  /** Inserts rows numbered from one to another, a millisecond apart. */
  insert(from: number, to: number): SQL
}

/** Fills every table that the admin API lists with so many rows, older than those that were there. */
export async function fill({ db }: Gatehouse, world: World, rows: number, progress: Progress): Promise<void> {
  for (const { name, insert } of tablesOf(world)) {
    for (let from = 1; from <= rows; from += AT_ONCE) {
      progress.tell(`filling ${name}: ${(from - 1).toLocaleString('en')} of ${rows.toLocaleString('en')}`)
      await db.execute(insert(from, Math.min(rows, from + AT_ONCE - 1)))
    }
    await db.execute(sql`vacuum analyze ${sql.identifier(name)}`)
  }
  await db.execute(sql`checkpoint`)
}

function tablesOf({ people: [owner], web }: World): readonly Table[] {
  const from = (first: number, last: number) => sql`from generate_series(${first}::integer, ${last}::integer) as n`
  const made = sql`date_trunc('day', now()) - interval '30 days' + n * interval '1 ms'`
  return [
    {
      name: 'accounts',
      insert: (first, last) => sql`
        insert into accounts (id, email, email_key, created_at)
        select gen_random_uuid(), n || '@filler.example', n || '@filler.example', ${made} ${from(first, last)}`,
    },
    {
      name: 'clients',
      insert: (first, last) => sql`
        insert into clients (id, name, type, redirect_uris, scope, metadata, created_at)
        select 'client_' || md5(n::text), 'Filler', 'web', array['https://filler.example/callback'],
          array['openid'], '{}', ${made} ${from(first, last)}`,
    },
    {
      name: 'api_keys',
      insert: (first, last) => sql`
        insert into api_keys (id, account_id, name, digest, prefix, scope, expires_at, created_at)
        select gen_random_uuid(), ${owner?.id}::uuid, 'Filler', sha256(n::text::bytea), 'gk_live_filler',
          array['profile:read'], now() + interval '90 days', ${made} ${from(first, last)}`,
    },
    {
      name: 'provider_models',
      insert: (first, last) => sql`
        insert into provider_models (model, id, payload, grant_id, account_id, client_id, expires_at)
        select 'Grant', encode(sha256(n::text::bytea), 'base64'),
          json_build_object('iat', 1, 'exp', 2, 'accountId', ${owner?.id}::text, 'clientId', ${web.id}::text,
            'kind', 'Grant', 'openid', json_build_object('scope', 'openid email')),
          'filler_' || md5(n::text), ${owner?.id}::text, ${web.id}::text, now() + interval '1 hour' + n * interval '1 ms'
        ${from(first, last)}`,
    },
    {
      // Linked, so that the notary leaves them alone; nobody verifies this chain.
      name: 'audit_events',
      insert: (first, last) => sql`
        insert into audit_events (at, type, outcome, subject_kind, subject_id, client_id, day, seq, hash)
        select ${made}, 'token.issue', 'success', 'account', ${owner?.id}::text, ${web.id}::text,
          (now() - interval '30 days')::date, n, md5(n::text) ${from(first, last)}`,
    },
  ]
}
