import { Type } from 'typebox'
import { PASSWORD_MAX_LENGTH, PASSWORD_MIN_LENGTH } from '../secrets/password.ts'
import type { Role } from './accounts.ts'

export const Email = Type.String({ minLength: 3, maxLength: 254 })
export const Name = Type.String({ maxLength: 200 })
/** A password as it is typed to sign in; whatever its length, it is compared as received. */
export const Password = Type.String({ minLength: 1, maxLength: PASSWORD_MAX_LENGTH })
/** A password as it is chosen (ASVS V6.2.1, V6.2.9). */
export const NewPassword = Type.String({ minLength: PASSWORD_MIN_LENGTH, maxLength: PASSWORD_MAX_LENGTH })

/** Roles are written in capitals on the wire. */
export const wireRole = <R extends Role | undefined>(role: R) =>
  role?.toUpperCase() as Uppercase<NonNullable<R>> | Exclude<R, Role>
