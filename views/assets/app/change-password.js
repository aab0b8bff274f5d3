import { byId, onSubmit } from './dom.js'
import { call } from './session.js'

const form = byId('change-password-form')
const outcome = byId('change-password-outcome')

/** Leaves neither what was typed nor what came of it on the page. */
export function clearPasswords() {
  form.reset()
  byId('change-password-email').value = ''
  byId('change-password-error').textContent = ''
  outcome.textContent = ''
}

/** Lets a password manager know whose password it is. */
export function offerPasswordChange(email) {
  byId('change-password-email').value = email
}

onSubmit(form, byId('change-password-error'), async (fields) => {
  outcome.textContent = ''
  const { message } = await call('POST', '/api/auth/password', Object.fromEntries(fields))
  form.reset()
  outcome.textContent = message
})
