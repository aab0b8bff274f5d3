import { announce, byId } from './dom.js'

const panel = byId('new-key')
const secret = byId('new-key-secret')
const copy = byId('copy-key')
const { issuer } = byId('app').dataset

/** Shows a key the one time the server tells it. */
export function presentKey({ apiKey, warning }) {
  secret.textContent = apiKey
  byId('new-key-warning').textContent = warning ?? 'It is shown only once: we keep a digest, never the key.'
  byId('new-key-example').textContent = `curl -H "Authorization: Bearer $KEY" ${issuer}/api/me`
  copy.textContent = 'Copy'
  panel.hidden = false
  byId('new-key-title').focus()
}

export function forgetKey() {
  secret.textContent = ''
  panel.hidden = true
}

async function copyKey() {
  try {
    await navigator.clipboard.writeText(secret.textContent)
    copy.textContent = 'Copied'
    announce('The key is on the clipboard.')
  } catch {
    getSelection().selectAllChildren(secret)
    announce('The key is selected; copy it with your keyboard.')
  }
}

copy.addEventListener('click', copyKey)
byId('dismiss-key').addEventListener('click', () => {
  forgetKey()
  byId('key-name').focus()
})
