import { clearApps, showApps } from './apps.js'
import { clearPasswords, offerPasswordChange } from './change-password.js'
import { closeDialogs } from './dialogs.js'
import { byId, initial } from './dom.js'
import { clearIdentities, showIdentities } from './identities.js'
import { forgetKey } from './key-secret.js'
import { clearKeys, showKeys } from './keys.js'
import { offerPermissions } from './new-key.js'
import { call } from './session.js'
import { clearSessions, showSessions } from './sessions.js'
import { clearAnswer } from './try-api.js'

/** Shows who is signed in and, below, everything that is theirs. */
export async function showAccount() {
  const me = await call('GET', '/api/me')
  const name = me.name || me.email
  document.title = 'Your account · Gatehouse'
  byId('account-title').textContent = name
  byId('me-initial').textContent = initial(name)
  byId('me-email').textContent = me.email
  byId('me-role').hidden = me.role !== 'ADMIN'
  offerPermissions(me.role)
  offerPasswordChange(me.email)
  byId('welcome').hidden = true
  byId('account').hidden = false
  await Promise.all([showKeys(), showApps(), showSessions(), showIdentities()])
}

/** Leaves nothing of the account on the page for whoever sits down next. */
export function clearAccount() {
  for (const id of ['account-title', 'me-initial', 'me-email']) byId(id).textContent = ''
  closeDialogs()
  forgetKey()
  clearKeys()
  clearApps()
  clearSessions()
  clearIdentities()
  clearAnswer()
  clearPasswords()
}
