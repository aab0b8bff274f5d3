export const byId = (id) => document.getElementById(id)

export const slot = (element, name) => element.querySelector(`[data-field="${name}"]`)

export const initial = (text) => text.match(/[\p{L}\p{N}]/u)?.[0].toUpperCase() ?? '?'

/** A copy of a template's element, with text put into its data-field slots. */
export function fromTemplate(id, fields) {
  const element = byId(id).content.firstElementChild.cloneNode(true)
  for (const [name, text] of Object.entries(fields)) slot(element, name).textContent = text
  return element
}

/** Says something to screen readers only. */
export function announce(text) {
  byId('announcer').textContent = text
}

/** Runs an action and shows what went wrong in `alert`. */
export async function reporting(alert, action) {
  alert.textContent = ''
  try {
    await action()
  } catch (problem) {
    alert.textContent = problem.detail ?? 'Something went wrong. Reload the page and try again.'
  }
}

/** The same for a button, which is busy meanwhile and does not start a second one. */
export async function attempt(button, alert, action) {
  if (button.ariaBusy === 'true') return
  button.ariaBusy = 'true'
  await reporting(alert, action)
  button.ariaBusy = null
}

export function onSubmit(form, alert, action) {
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const button = form.querySelector('[type="submit"]')
    attempt(button, alert, () => action(new FormData(form)))
  })
}
