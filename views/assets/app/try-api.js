import { byId } from './dom.js'
import { call } from './session.js'

const button = byId('call-api')
const outcome = byId('api-outcome')
const result = byId('api-result')

function show(text, answer) {
  outcome.textContent = text
  result.textContent = JSON.stringify(answer, null, 2)
  result.hidden = false
}

export function clearAnswer() {
  outcome.textContent = ''
  result.textContent = ''
  result.hidden = true
}

async function callApi() {
  const started = performance.now()
  const elapsed = () => `${Math.round(performance.now() - started)} ms`
  try {
    const answer = await call('GET', '/api/protected/any')
    show(`Let in, ${elapsed()}`, answer)
  } catch (problem) {
    show(`Turned away with ${problem.status}, ${elapsed()}`, problem.body)
  }
}

button.addEventListener('click', callApi)
