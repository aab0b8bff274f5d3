/** An error the API answered as problem+json (RFC 9457), or that kept us from reaching it (status 0). */
export class ApiProblem extends Error {
  constructor(status, body) {
    super(body.title ?? `HTTP ${status}`)
    this.name = 'ApiProblem'
    this.status = status
    this.body = body
    this.detail = body.detail ?? body.title ?? 'Something went wrong. Try again in a moment.'
  }
}

const unreachable = {
  title: 'Unreachable',
  detail: 'The server cannot be reached. Check your connection and try again.',
}

/** One exchange with the API: the parsed answer, or an ApiProblem. */
export async function send(method, path, { body, token } = {}) {
  const headers = { accept: 'application/json' }
  if (token) headers.authorization = `Bearer ${token}`
  if (body) headers['content-type'] = 'application/json'
  const response = await reach(path, {
    method,
    headers,
    body: body && JSON.stringify(body),
    cache: 'no-store',
    redirect: 'error',
  })
  const answer = await response.json().catch(() => ({}))
  if (!response.ok) throw new ApiProblem(response.status, answer)
  return answer
}

async function reach(path, init) {
  try {
    return await fetch(path, init)
  } catch {
    throw new ApiProblem(0, unreachable)
  }
}
