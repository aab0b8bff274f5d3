import { clearAccount, showAccount } from './app/account.js'
import { announce, byId } from './app/dom.js'
import { ended, resume, signOut } from './app/session.js'
import { prepareWelcome, showWelcome } from './app/welcome.js'
import './password-reveal.js'

const notice = byId('notice')

async function start() {
  try {
    if (await resume()) await showAccount()
    else showWelcome()
  } catch (problem) {
    leave(problem.detail ?? 'This page could not start. Reload it to try again.')
  }
}

async function enter() {
  await showAccount()
  notice.textContent = ''
  byId('account-title').focus()
}

function leave(reason) {
  clearAccount()
  showWelcome()
  notice.textContent = reason
  byId('email').focus()
}

async function leaveOnRequest() {
  try {
    await signOut()
    leave('')
    announce('Signed out.')
  } catch (problem) {
    notice.textContent = problem.detail
  }
}

prepareWelcome(enter)
byId('sign-out').addEventListener('click', leaveOnRequest)
ended.addEventListener('ended', () => leave('Your session has ended. Sign in again to go on.'))
start()
