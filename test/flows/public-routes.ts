import { sql } from 'drizzle-orm'
import t from 'tap'
import { startGatehouse } from '../fixtures/gatehouse.ts'

const server = await startGatehouse(t)
const get = (path: string, headers: Record<string, string> = {}) => server.fetch(path, { headers })
/** What a browser sends when a person opens a page. */
const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }

t.test('GET / is a page for a browser', async (t) => {
  const response = await get('/', BROWSER)
  t.equal(response.status, 200)
  t.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
  t.match(response.headers.get('vary'), /accept/i)
  const html = await response.text()
  t.match(html, /^<!doctype html>/i)
  t.notMatch(html, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/i, 'nothing inline')
  t.notMatch(html, /(?:src|href)="(?:https?:)?\/\//, 'nothing from elsewhere')
  for (const [, path = ''] of html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) {
    t.equal((await get(path)).status, 200, path)
  }
})

t.test('GET / is a JSON index of the endpoints for anything else, and each is there', async (t) => {
  for (const accept of ['*/*', 'application/json', 'text/plain']) {
    const response = await get('/', { accept })
    t.equal(response.status, 200)
    t.match(response.headers.get('content-type'), /^application\/json/)
    const index = (await response.json()) as { issuer: string; [group: string]: unknown }
    t.equal(index.issuer, server.url)
    const groups = Object.values(index).filter((group) => typeof group === 'object')
    const urls = groups.flatMap((group) => Object.values(group as Record<string, string>))
    t.ok(urls.length > 15)
    for (const url of urls) {
      t.ok(url.startsWith(`${server.url}/`), url)
      const found = [await fetch(url, { redirect: 'manual' }), await fetch(url, { method: 'POST' })]
      t.ok(
        found.some(({ status }) => status !== 404),
        url,
      )
    }
  }
})

t.test('every answer forbids framing and sniffing and carries a policy (ASVS V3.4)', async (t) => {
  for (const path of ['/', '/healthz', '/api/me', '/api/none', '/none', '/oauth/jwks', '/oauth/authorize', '/%zz']) {
    for (const headers of [BROWSER, { accept: 'application/json' }]) {
      const response = await get(path, headers)
      t.equal(response.headers.get('x-content-type-options'), 'nosniff', path)
      t.match(response.headers.get('content-security-policy'), /default-src 'none'.*frame-ancestors 'none'/)
      t.equal(response.headers.get('referrer-policy'), 'no-referrer')
      t.equal(response.headers.get('x-powered-by'), null)
    }
  }
})

t.test('/healthz and /readyz answer anyone', async (t) => {
  const live = await get('/healthz')
  t.equal(live.status, 200)
  t.match(live.headers.get('content-type'), /^application\/json/)
  t.equal((await get('/readyz')).status, 200)
})

t.test('/readyz is not ready while a migration is missing; /healthz lives on', async (t) => {
  const newest = sql`(select max(created_at) from drizzle.__drizzle_migrations)`
  await server.db.execute(sql`update drizzle.__drizzle_migrations set created_at = 1 where created_at = ${newest}`)
  const response = await get('/readyz')
  t.equal(response.status, 503)
  t.match(response.headers.get('retry-after'), /^\d+$/)
  t.notMatch(await response.text(), /drizzle|migration|select/i, 'and does not say why to strangers')
  t.equal((await get('/healthz')).status, 200)
})

t.test('the guide compares the three credentials, for anyone', async (t) => {
  const response = await get('/api/auth/comparison')
  t.equal(response.status, 200)
  const guide = (await response.json()) as { credentials: { method: string; tryIt: string }[] }
  t.strictSame(
    guide.credentials.map(({ method }) => method),
    ['OAUTH', 'JWT', 'API_KEY'],
  )
  for (const { tryIt } of guide.credentials) t.equal((await get(tryIt)).status, 401, `${tryIt} is there and protected`)
  t.equal(
    (await get('/api/auth/comparison', { authorization: 'Bearer x' })).status,
    200,
    'a credential is not looked at',
  )
})

t.test('what is not there: 404, a page for a browser and a problem for anything else', async (t) => {
  const page = await get('/none', BROWSER)
  t.equal(page.status, 404)
  t.match(page.headers.get('content-type'), /^text\/html/)
  for (const path of [
    '/none',
    '/api',
    '/api/',
    '/api/none',
    '/API/me',
    '/assets/none.js',
    '/assets/..%2f..%2fpackage.json',
  ]) {
    const problem = await get(path)
    t.equal(problem.status, 404, path)
    t.match(problem.headers.get('content-type'), /^application\/problem\+json/)
    t.match(await problem.json(), { status: 404, code: 'not_found' })
  }
  const api = await get('/api/none', BROWSER)
  t.match(api.headers.get('content-type'), /^application\/problem\+json/, 'under /api always a problem')
})
