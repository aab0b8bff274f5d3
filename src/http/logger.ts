import type { FastifyRequest } from 'fastify'

/**
 * Options of the log. A request is named by its route, never by its URL, whose path and query may
 * hold codes and tokens; no header is logged; an error is told without the parameters of its query.
 */
export function loggerOptions(level: string, stream?: { write(line: string): void }) {
  return {
    level,
    ...(stream === undefined ? {} : { stream }),
    serializers: {
      req: (request: FastifyRequest) => ({
        method: request.method,
        route: request.routeOptions?.url ?? 'none',
        from: request.ip,
      }),
      res: (reply: { statusCode?: number }) => ({ statusCode: reply.statusCode }),
      err: describeError,
    },
  }
}

interface DescribedError {
  readonly type: string
  readonly message: string
  readonly stack: string
  readonly [name: string]: unknown
}

/**
 * An error for the log. Drizzle's own message lists the values of the query, so only its cause is told;
 * Fastify's of a malformed URL quotes the URL.
 */
export function describeError(error: unknown): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an error', stack: '' }
  const { code } = error as { code?: unknown }
  const isQuery = 'query' in error && 'params' in error
  const instead = isQuery ? 'a query failed' : code === 'FST_ERR_BAD_URL' ? 'the URL is malformed' : undefined
  return {
    type: error.name,
    message: instead ?? error.message,
    ...(code === undefined ? {} : { code }),
    stack: instead === undefined ? (error.stack ?? '') : '',
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  }
}

/** What went wrong, in a line for the operator: of a failed query the cause, without its values. */
export function operatorMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if ('query' in error && 'params' in error) return operatorMessage(error.cause)
  return error.message || String((error as { code?: unknown }).code ?? error.name)
}
