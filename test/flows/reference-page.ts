import t from 'tap'
import { noChromium, openWindow, startChromium } from '../fixtures/chromium.ts'
import { startGatehouse } from '../fixtures/gatehouse.ts'

const server = await startGatehouse(t)
const HTML = { accept: 'text/html' }
const answer = await server.fetch('/docs', { headers: HTML })
const html = await answer.text()

t.test('/docs is a page for a browser and the document for anything else', async (t) => {
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('content-type'), 'text/html; charset=utf-8')
  t.match(answer.headers.get('vary'), /accept/i)
  t.match(answer.headers.get('content-security-policy'), /script-src 'self'; style-src 'self'/)
  t.notMatch(html, /<script|<style|\sstyle=|\son\w+=/i, 'no script, and nothing inline')
  t.notMatch(html, /(?:src|href)="(?:https?:)?\/\//, 'nothing from elsewhere')
  const [page, file] = await Promise.all([server.fetch('/docs'), server.fetch('/docs/openapi.json')])
  t.equal(page.headers.get('content-type'), 'application/json; charset=utf-8')
  t.match(page.headers.get('vary'), /accept/i)
  t.strictSame(await page.json(), await file.json())
})

t.test('every operation of the document is on the page, and every link on it leads somewhere', async (t) => {
  const { paths } = (await (await server.fetch('/docs/openapi.json')).json()) as {
    paths: Record<string, Record<string, { operationId: string }>>
  }
  const ids = new Set([...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id))
  for (const { operationId } of Object.values(paths).flatMap((path) => Object.values(path))) t.ok(ids.has(operationId))
  for (const [, target = ''] of html.matchAll(/href="([^"]+)"/g)) {
    if (target.startsWith('#')) t.ok(ids.has(target.slice(1)), target)
    else t.equal((await server.fetch(target, { headers: HTML })).status, 200, target)
  }
})

t.test(
  'the page keeps to its policy and fits a phone, in Chromium without JavaScript',
  { skip: noChromium },
  async (t) => {
    const browser = await startChromium(t)
    for (const colorScheme of ['light', 'dark'] as const) {
      const viewport = { width: 390, height: 800 }
      const { page, faults } = await openWindow(t, browser, { colorScheme, viewport, javaScriptEnabled: false })
      await page.goto(`${server.url}/docs`)
      await page.click('summary:has-text("/api/auth/login/jwt")')
      t.ok(await page.isVisible('#postAuthLoginJwt'))
      const box = await page.locator('.operations').boundingBox()
      t.ok(box !== null && box.x >= 0 && box.x + box.width <= viewport.width)
      t.strictSame(faults, [])
    }
  },
)
