import { byId, onSubmit } from './dom.js'
import { createAccount, signIn } from './session.js'

const cards = ['sign-in', 'create-account']

function show(card) {
  for (const id of cards) byId(id)?.toggleAttribute('hidden', id !== card)
}

function turnTo(card) {
  show(card)
  byId(card).querySelector('input').focus()
}

export function showWelcome() {
  document.title = 'Gatehouse'
  byId('account').hidden = true
  byId('welcome').hidden = false
  show('sign-in')
}

/** Wires the two forms; `enter` runs once somebody is signed in. */
export function prepareWelcome(enter) {
  prepareForm('sign-in', async (fields) => {
    await signIn(fields.get('email'), fields.get('password'))
    await enter()
  })
  if (!byId('create-account')) return
  prepareForm('create-account', async (fields) => {
    await createAccount(Object.fromEntries(fields))
    await enter()
  })
  byId('show-create-account').addEventListener('click', () => turnTo('create-account'))
  byId('show-sign-in').addEventListener('click', () => turnTo('sign-in'))
}

function prepareForm(name, action) {
  const form = byId(`${name}-form`)
  onSubmit(form, byId(`${name}-error`), async (fields) => {
    try {
      await action(fields)
      form.reset()
    } catch (problem) {
      form.querySelector('[type="password"]').focus()
      throw problem
    }
  })
}
