import { ago, onDay } from './dates.js'
import { announce, attempt, byId, fromTemplate, reporting } from './dom.js'
import { call } from './session.js'

const list = byId('session-list')
const alert = byId('sessions-error')
const others = byId('end-other-sessions')

export async function showSessions() {
  await reporting(alert, async () => {
    const { sessions } = await call('GET', '/api/sessions')
    list.replaceChildren(...sessions.map(sessionRow))
    others.hidden = sessions.length < 2
  })
}

export function clearSessions() {
  list.replaceChildren()
  alert.textContent = ''
  others.hidden = true
}

function sessionRow(session) {
  const row = fromTemplate('session-row', {
    since: `Signed in ${ago(session.signedInAt)}`,
    use: `Last used ${ago(session.lastUsedAt)}, ends ${onDay(session.expiresAt)} at the latest`,
  })
  row.querySelector('[data-field="current"]').hidden = !session.current
  const button = row.querySelector('[data-test="end-session"]')
  button.hidden = session.current
  button.ariaLabel = `Sign out of the session of ${ago(session.signedInAt)}`
  button.addEventListener('click', () => attempt(button, alert, () => end(`/api/sessions/${session.id}`)))
  return row
}

async function end(path) {
  const { message } = await call('DELETE', path)
  await showSessions()
  byId('sessions-title').focus()
  announce(message)
}

others.addEventListener('click', () => attempt(others, alert, () => end('/api/sessions')))
