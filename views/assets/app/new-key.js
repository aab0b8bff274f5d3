import { byId, onSubmit } from './dom.js'
import { presentKey } from './key-secret.js'
import { showKeys } from './keys.js'
import { call } from './session.js'

const form = byId('new-key-form')

/** Offers only the permissions somebody of this role can give away. */
export function offerPermissions(role) {
  for (const label of form.querySelectorAll('[data-role]')) {
    const offered = label.dataset.role === role
    label.hidden = !offered
    label.querySelector('input').disabled = !offered
  }
}

onSubmit(form, byId('new-key-error'), async (fields) => {
  const made = await call('POST', '/api/auth/apikey/generate', {
    name: fields.get('name'),
    permissions: fields.getAll('permissions'),
    expiresInDays: Number(fields.get('expiresInDays')),
  })
  form.reset()
  presentKey(made)
  await showKeys()
})
