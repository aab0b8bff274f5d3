import { InvalidCredential } from '../errors.ts'

/** Whose a token is: its, who has this key or this certificate, or both; thumbprints, at least one. */
export interface Confirmation {
  /** RFC 9449 6.1 */
  readonly jkt: string | undefined
  /** RFC 8705 3.1, `x5t#S256` */
  readonly x5t: string | undefined
}

const THUMBPRINT = /^[\w-]{43}$/

/**
 * What the `cnf` of a token says (RFC 7800 3.1); undefined when it is bound to nothing.
 * @throws {InvalidCredential} when it is bound to something that nobody can prove here
 */
export function confirmationOf(cnf: unknown): Confirmation | undefined {
  if (cnf === undefined) return undefined
  const { jkt, 'x5t#S256': x5t, ...others } = Object(cnf) as Record<string, unknown>
  if (
    (jkt === undefined && x5t === undefined) ||
    Object.keys(others).length > 0 ||
    !isThumbprint(jkt) ||
    !isThumbprint(x5t)
  )
    throw new InvalidCredential('bound to what is not known here')
  return { jkt, x5t }
}

function isThumbprint(value: unknown): value is string | undefined {
  return value === undefined || (typeof value === 'string' && THUMBPRINT.test(value))
}
