import { attempt, byId } from './dom.js'

const dialog = byId('password-dialog')
const alert = byId('password-dialog-error')
const field = byId('password-again')
const button = byId('password-dialog-confirm')
const elsewhere = byId('password-dialog-elsewhere')
let check

/**
 * Asks for the password until `signIn` takes it. False when the person thinks better of it.
 * A page that was left meanwhile has closed the dialog.
 */
export function askForPassword(signIn) {
  check = signIn
  alert.textContent = ''
  field.value = ''
  dialog.returnValue = ''
  dialog.showModal()
  return new Promise((resolve) => {
    const close = () => {
      field.value = ''
      resolve(dialog.returnValue === 'confirm')
    }
    dialog.addEventListener('close', close, { once: true })
  })
}

/** Offers the ways in which this account is signed in to; at an upstream one leaves the page, and starts over after. */
export function offerWays({ password, upstreams }) {
  byId('password-dialog-field').hidden = !password
  field.disabled = !password
  button.hidden = !password
  elsewhere.hidden = upstreams.length === 0
  elsewhere.replaceChildren(...upstreams.map(signInLink))
}

function signInLink({ id, name }) {
  const link = document.createElement('a')
  link.className = 'button'
  link.href = `/upstreams/${encodeURIComponent(id)}?prompt=login`
  link.textContent = `Continue with ${name}`
  return link
}

byId('password-dialog-cancel').addEventListener('click', () => dialog.close(''))
dialog.querySelector('form').addEventListener('submit', (event) => {
  event.preventDefault()
  attempt(button, alert, async () => {
    await check(field.value)
    dialog.close('confirm')
  })
})
