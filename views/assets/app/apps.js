import { onDay } from './dates.js'
import { confirmFirst } from './dialogs.js'
import { announce, attempt, byId, fromTemplate, initial, reporting } from './dom.js'
import { call } from './session.js'

const list = byId('app-list')
const alert = byId('apps-error')

export async function showApps() {
  await reporting(alert, async () => {
    const { grants } = await call('GET', '/api/grants')
    list.replaceChildren(...grants.map(appRow))
    byId('apps-empty').hidden = grants.length > 0
  })
}

export function clearApps() {
  list.replaceChildren()
  alert.textContent = ''
}

function appRow(grant) {
  const row = fromTemplate('app-row', {
    initial: initial(grant.clientName),
    name: grant.clientName,
    host: grant.host,
    since: since(grant),
    scopes: [...grant.scopes, ...grant.detailsTypes].join('  '),
  })
  const button = row.querySelector('[data-test="remove-app"]')
  button.ariaLabel = `Remove ${grant.clientName}`
  button.addEventListener('click', () => attempt(button, alert, () => remove(grant)))
  return row
}

function since({ createdAt, expiresAt }) {
  const allowed = `Allowed ${onDay(createdAt)}`
  return expiresAt ? `${allowed}, until ${onDay(expiresAt)}` : allowed
}

async function remove({ clientId, clientName }) {
  const sure = await confirmFirst({
    title: `Remove ${clientName}?`,
    text: 'It loses its access now. To come back, it has to ask you again.',
    action: 'Remove app',
  })
  if (!sure) return
  await call('DELETE', `/api/grants/${encodeURIComponent(clientId)}`)
  await showApps()
  byId('apps-title').focus()
  announce(`${clientName} no longer has access.`)
}
