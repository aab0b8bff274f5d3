import { byId } from './dom.js'

/** Opens the dialog; true when the person confirms. */
function confirmed(dialog) {
  dialog.returnValue = ''
  dialog.showModal()
  return new Promise((resolve) => {
    const close = () => resolve(dialog.returnValue === 'confirm')
    dialog.addEventListener('close', close, { once: true })
  })
}

export function confirmFirst({ title, text, action }) {
  const dialog = byId('confirm-dialog')
  byId('confirm-title').textContent = title
  byId('confirm-text').textContent = text
  dialog.querySelector('[value="confirm"]').textContent = action
  return confirmed(dialog)
}

/** Seconds the old key shall go on beside the new one, or undefined when the person thinks better of it. */
export async function chooseOverlap(name) {
  byId('rotate-title').textContent = `Rotate “${name}”?`
  if (await confirmed(byId('rotate-dialog'))) return Number(byId('rotate-overlap').value)
}

export function closeDialogs() {
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close()
}
