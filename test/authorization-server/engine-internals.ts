import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { Provider } from 'oidc-provider'
import t from 'tap'

/**
 * The files of the engine that src/authorization-server/engine-internals.ts and the adapters rely on beyond the
 * documented interface, as they were when what relies on them was written. When one differs after an upgrade,
 * read what has changed, then take over the new digest.
 */
const READ = {
  // Client.find, compareClientSecret, grantTypeAllowed and backchannelLogout
  'models/client.js': '37841c70b72be692',
  // IdToken.validate, of hints, and how a logout token is issued
  'models/id_token.js': '809a238a6d68b391',
  // who calls generateTokenId, and that the token is its identifier
  'models/base_model.js': '77623c1d7d76d840',
  'models/formats/opaque.js': '116a242cbe98d59b',
  // the order of find, check, consume and save
  'actions/grants/authorization_code.js': '2d46dcf995804956',
  'actions/grants/refresh_token.js': 'd3bcebb1e448545e',
  // what of a request its answer is told by, and that a consumed one is told from one that is not
  'actions/grants/device_code.js': '02d0e9200f0d37c5',
  'models/device_code.js': '67b2a9da7b21c1e4',
  'actions/grants/ciba.js': 'dd1757e65c59ec69',
  'models/backchannel_authentication_request.js': 'c2d8c29f37b22ab3',
  // the order of hint, account, user code and storing, and that only storing makes a request known
  'actions/authorization/ciba.js': '670830cf8c5f8c99',
  'helpers/grant_common.js': '2a9abbce97278836',
  'helpers/grant_source.js': '4309a85ac090d6c7',
  'helpers/revoke.js': '19fd95af4ba7f83a',
  // what userinfo asks of the token that it finds
  'actions/userinfo.js': '99aa2b34d891c95c',
  'shared/access_token.js': '396a191edaf6609d',
  // what ReplayDetection.unique answers
  'models/replay_detection.js': '043828fda75887e6',
  // how nonces are made, how old a proof may be, and what a proof is refused for
  'helpers/challenge.js': '92f5cd0012f84a3e',
  'helpers/validate_dpop.js': '937991243a02287d',
  // what a custom grant type binds its tokens by
  'helpers/grants.js': '42a3a1447765b7fa',
  'helpers/sender_constraints.js': '317ff5fb9ebf0f59',
  'models/token_helpers.js': '48537da10b858215',
  // that idFactory is called before the metadata are validated
  'actions/registration.js': '954b9778b4dbb606',
  // that it looks for no client again once it was said that there is none
  'shared/authorization_error_handler.js': '8c02c7d60b9a8411',
  // what the sign-out form sends back
  'shared/xsrf.js': 'd98ed2207acfa165',
  'actions/end_session.js': '259ee7afaade26de',
}

t.test('the engine is what it was when its internals were read', async (t) => {
  for (const [file, digest] of Object.entries(READ)) {
    const path = new URL(`./${file}`, import.meta.resolve('oidc-provider'))
    t.equal(createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16), digest, file)
  }
})

t.test('what is replaced is there, and is asked of the prototype', async (t) => {
  const { AccessToken, Client, IdToken, RefreshToken, ReplayDetection } = new Provider('http://localhost')
  const { prototype } = Client as unknown as { prototype: Record<string, unknown> }
  for (const name of ['compareClientSecret', 'grantTypeAllowed', 'backchannelLogout'])
    t.type(prototype[name], 'function', name)
  t.type(Client.find, 'function')
  t.type(AccessToken.find, 'function')
  t.type(Reflect.get(IdToken, 'validate'), 'function')
  t.type(ReplayDetection.unique, 'function')
  t.type(Reflect.get(RefreshToken.prototype, 'generateTokenId'), 'function')
})

t.test('no other file reaches into the engine', async (t) => {
  const reaching = globSync('src/authorization-server/**/*.ts').filter((path) =>
    /oidc-provider\/lib|\.prototype\b|as unknown as/.test(readFileSync(path, 'utf8')),
  )
  t.strictSame(reaching, ['src/authorization-server/engine-internals.ts'])
})
