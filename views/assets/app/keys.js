import { ago, onDay } from './dates.js'
import { chooseOverlap, confirmFirst } from './dialogs.js'
import { announce, attempt, byId, fromTemplate, reporting, slot } from './dom.js'
import { presentKey } from './key-secret.js'
import { call } from './session.js'

const list = byId('key-list')
const alert = byId('keys-error')

export async function showKeys() {
  await reporting(alert, async () => {
    const { keys } = await call('GET', '/api/keys')
    list.replaceChildren(...[...keys].sort(liveFirst).map(keyRow))
    byId('keys-empty').hidden = keys.length > 0
  })
}

export function clearKeys() {
  list.replaceChildren()
  alert.textContent = ''
}

const hasPassed = (date) => Boolean(date) && new Date(date) <= new Date()

function stateOf(key) {
  if (hasPassed(key.revokedAt)) return 'Revoked'
  return hasPassed(key.expiresAt) ? 'Expired' : ''
}

function liveFirst(one, other) {
  const ended = Boolean(stateOf(one)) - Boolean(stateOf(other))
  return ended || new Date(other.createdAt) - new Date(one.createdAt)
}

function keyRow(key) {
  const state = stateOf(key)
  const row = fromTemplate('key-row', {
    name: key.name,
    state,
    prefix: `${key.prefix}…`,
    expiry: expiry(key),
    use: use(key),
    scopes: key.scopes.join('  '),
  })
  row.dataset.state = state.toLowerCase() || 'live'
  slot(row, 'state').hidden = !state
  if (state) slot(row, 'actions').remove()
  else prepareActions(row, key)
  return row
}

function expiry({ createdAt, expiresAt, revokedAt }) {
  if (hasPassed(revokedAt)) return `Revoked ${ago(revokedAt)}`
  if (revokedAt) return `Replaced; ends ${onDay(revokedAt)}`
  if (hasPassed(expiresAt)) return `Expired ${ago(expiresAt)}`
  return expiresAt ? `Expires ${onDay(expiresAt)}` : `Made ${onDay(createdAt)}, does not expire`
}

function use({ lastUsedAt, lastUsedFrom }) {
  if (!lastUsedAt) return 'Never used'
  return `Last used ${ago(lastUsedAt)}${lastUsedFrom ? ` from ${lastUsedFrom}` : ''}`
}

function prepareActions(row, key) {
  prepare(row.querySelector('[data-test="rotate-key"]'), `Rotate ${key.name}`, () => rotate(key))
  prepare(row.querySelector('[data-test="revoke-key"]'), `Revoke ${key.name}`, () => revoke(key))
}

function prepare(button, label, action) {
  button.ariaLabel = label
  button.addEventListener('click', () => attempt(button, alert, action))
}

async function revoke(key) {
  const sure = await confirmFirst({
    title: `Revoke “${key.name}”?`,
    text: 'Whatever uses this key is turned away from now on. This cannot be undone.',
    action: 'Revoke key',
  })
  if (!sure) return
  await call('DELETE', `/api/keys/${encodeURIComponent(key.id)}`)
  await showKeys()
  byId('keys-title').focus()
  announce(`${key.name} is revoked.`)
}

async function rotate(key) {
  const overlapSeconds = await chooseOverlap(key.name)
  if (overlapSeconds === undefined) return
  const path = `/api/keys/${encodeURIComponent(key.id)}/rotate`
  presentKey(await call('POST', path, { overlapSeconds }))
  await showKeys()
}
