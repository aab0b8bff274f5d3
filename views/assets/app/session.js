import { send } from './api.js'
import { askForPassword } from './reauthentication.js'

// The access token lives in this variable and nowhere else; the refresh token is a cookie no script can read.
let token
let renewal
let timer

/** Tells that the server no longer knows the session. */
export const ended = new EventTarget()

// Other tabs share the cookie: when one signs in or out, the rest start over.
const tabs = new BroadcastChannel('gatehouse-session')
tabs.addEventListener('message', () => location.reload())

/** Takes up the session the refresh cookie stands for. False when there is none. */
export async function resume() {
  try {
    await refresh()
    return true
  } catch (problem) {
    if (problem.status === 401) return false
    throw problem
  }
}

export async function signIn(email, password) {
  await givePassword(email, password)
  tabs.postMessage('signed in')
}

export async function createAccount({ name, email, password }) {
  const body = name ? { name, email, password } : { email, password }
  await send('POST', '/api/auth/register', { body })
  await signIn(email, password)
}

export async function signOut() {
  try {
    await call('POST', '/api/auth/logout', {})
  } catch (problem) {
    if (problem.status !== 401) throw problem
  }
  forget()
  tabs.postMessage('signed out')
}

/** Calls the API as the signed-in account, who types the password once more when the sign-in is too long ago for this. */
export async function call(method, path, body) {
  try {
    return await callOnce(method, path, body)
  } catch (problem) {
    if (problem.body?.code !== 'insufficient_user_authentication') throw problem
    const { email } = await callOnce('GET', '/api/me')
    if (!(await askForPassword((password) => givePassword(email, password)))) throw problem
  }
  return callOnce(method, path, body)
}

function givePassword(email, password) {
  return exclusively(async () => keep(await send('POST', '/api/auth/login/jwt', { body: { email, password } })))
}

/** A token that has run out is renewed, once. */
async function callOnce(method, path, body) {
  const used = token
  try {
    return await send(method, path, { body, token })
  } catch (problem) {
    if (problem.status !== 401 || problem.body.code === 'insufficient_user_authentication') throw problem
  }
  if (token === used) await renewOrEnd()
  return send(method, path, { body, token })
}

async function renewOrEnd() {
  try {
    await refresh()
  } catch (problem) {
    if (problem.status === 401) {
      forget()
      ended.dispatchEvent(new Event('ended'))
    }
    throw problem
  }
}

function refresh() {
  renewal ??= exclusively(renew).finally(() => {
    renewal = undefined
  })
  return renewal
}

async function renew() {
  keep(await send('POST', '/api/auth/refresh', { body: {} }))
}

// The refresh token rotates: two tabs that renew at once would look like a theft.
function exclusively(work) {
  return navigator.locks ? navigator.locks.request('gatehouse-session', work) : work()
}

function keep({ accessToken, expiresIn }) {
  token = accessToken
  clearTimeout(timer)
  const seconds = Math.max(expiresIn - 30, expiresIn / 2)
  timer = setTimeout(() => renewOrEnd().catch(() => {}), seconds * 1000)
}

function forget() {
  token = undefined
  clearTimeout(timer)
}
