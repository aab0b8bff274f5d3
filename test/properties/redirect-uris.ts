import fc from 'fast-check'
import t from 'tap'
import { redirectHost, redirectUriProblem } from '../../src/clients/redirect-uris.ts'
import { contentSecurityPolicy, formActionSource } from '../../src/http/security-headers.ts'
import { anyText, webPath, webUrl } from '../fixtures/arbitraries.ts'

const TYPES = ['web', 'spa', 'native', 'machine'] as const
const scheme = fc.constantFrom(
  ...['https', 'http', 'HTTPS', 'javascript', 'JavaScript', 'data', 'file', 'blob', 'ws', 'myapp', 'com.example.app'],
  ...['vbscript', 'about', 'view-source', ' https', 'ht\ttps', 'com.example.app;x', 'intent', ''],
)
const host = fc.oneof(
  fc.domain(),
  fc.ipV4(),
  fc.ipV6().map((address) => `[${address}]`),
  fc.constantFrom('localhost', '127.0.0.1', '[::1]', 'localhost.evil.example', '127.1', '0x7f.1', '2130706433', ''),
  fc.constantFrom('a@b', 'user:pass@evil.example', '*.example', 'evil.example;sandbox', "a'b.example", 'a,b.example'),
  fc.constantFrom(
    '\u0430pple.example',
    'a%2fb',
    'a\\b',
    'a b',
    'evil\u3002example',
    '\uff41.example',
    'a..b',
    'a_b.example',
  ),
)
const rest = fc.oneof(
  webPath,
  fc.constantFrom(
    '/cb',
    '/cb#x',
    '/cb?a=b',
    '/../cb',
    '/..;/cb',
    '/%2e%2e/cb',
    '\\cb',
    '/cb\n',
    '/*',
    '#',
    '/c b',
    '/@x',
  ),
  anyText({ maxLength: 8 }),
)
const port = fc.constantFrom('', '', ':8080', ':0', ':99999', ':x', ':')
const uri = fc.oneof(
  fc
    .tuple(scheme, fc.constantFrom('://', ':', ':/', '//', ':////', ':\\\\'), host, port, rest)
    .map((parts) => parts.join('')),
  webUrl,
  anyText({ maxLength: 40 }),
)

const isLoopback = ({ hostname }: URL) => ['localhost', '127.0.0.1', '[::1]'].includes(hostname)

t.test('what may be registered is https, loopback, or a private-use scheme with a period (RFC 9700 2.6)', async (t) => {
  let taken = 0
  const property = fc.property(uri, fc.constantFrom(...TYPES), (text, type) => {
    const problem = redirectUriProblem(text, type)
    redirectHost(text)
    if (problem !== undefined) return typeof problem === 'string' && problem !== ''
    taken += 1
    const url = new URL(text)
    const isPrivate = type === 'native' && /^[a-z][a-z0-9+-]*\.[a-z0-9.+-]*:$/.test(url.protocol)
    return (
      (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url)) || isPrivate) &&
      url.hash === '' &&
      !text.includes('#') &&
      url.username === '' &&
      url.password === '' &&
      !/[\s\\*\p{Cc}]/u.test(text)
    )
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 3_000 }))
  t.ok(taken > 100, 'and some are')
})

t.test('no redirect URI that may be registered writes into the policy of a page (CSP 3)', async (t) => {
  const directives = contentSecurityPolicy().split(';').length
  const property = fc.property(uri, fc.constantFrom(...TYPES), (text, type) => {
    if (redirectUriProblem(text, type) !== undefined) return true
    const source = formActionSource(text)
    if (source === undefined) return true
    const policy = contentSecurityPolicy([source])
    return (
      policy.split(';').length === directives &&
      !/[,\r\n"]/.test(policy) &&
      policy.endsWith(`'self' ${source}`) &&
      !/[\s';]/.test(source)
    )
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 3_000 }))
})
