import { onDay } from './dates.js'
import { confirmFirst } from './dialogs.js'
import { announce, attempt, byId, fromTemplate, reporting } from './dom.js'
import { offerWays } from './reauthentication.js'
import { call } from './session.js'

const panel = byId('identities')
const list = byId('identity-list')
const alert = byId('identities-error')

export async function showIdentities() {
  await reporting(alert, async () => {
    const { password, upstreams } = await call('GET', '/api/identities')
    list.replaceChildren(...upstreams.map(identityRow))
    panel.hidden = upstreams.length === 0
    byId('change-password').hidden = !password
    offerWays({ password, upstreams: upstreams.filter(({ linkedAt }) => linkedAt) })
  })
}

export function clearIdentities() {
  list.replaceChildren()
  alert.textContent = ''
  panel.hidden = true
  byId('change-password').hidden = false
  offerWays({ password: true, upstreams: [] })
}

function identityRow({ id, name, sub, linkedAt }) {
  const since = linkedAt ? `Linked ${onDay(linkedAt)}` : 'Not linked'
  const row = fromTemplate('identity-row', { name, since, sub })
  row.querySelector('[data-test="sub"]').hidden = !linkedAt
  const [link, unlink] = ['link', 'unlink'].map((action) => row.querySelector(`[data-test="${action}"]`))
  link.hidden = Boolean(linkedAt)
  link.ariaLabel = `Link ${name}`
  link.addEventListener('click', () => attempt(link, alert, () => begin(id)))
  unlink.hidden = !linkedAt
  unlink.ariaLabel = `Unlink ${name}`
  unlink.addEventListener('click', () => attempt(unlink, alert, () => end(id, name)))
  return row
}

/** The provider sends the browser back here. */
async function begin(upstream) {
  const { location: there } = await call('POST', '/api/identities', { upstream })
  location.assign(there)
}

async function end(id, name) {
  const sure = await confirmFirst({
    title: `Unlink ${name}?`,
    text: `Nobody signs in to this account there any more. Where that was done, you are signed out.`,
    action: 'Unlink',
  })
  if (!sure) return
  await call('DELETE', `/api/identities/${encodeURIComponent(id)}`)
  await showIdentities()
  byId('identities-title').focus()
  announce(`${name} is unlinked.`)
}
