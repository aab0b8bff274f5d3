import { Type } from 'typebox'

/** A moment in an answer; a Date is written as RFC 3339 has it. */
export const Moment = Type.Unsafe<Date | string>({ type: 'string', format: 'date-time' })

/** A moment in an answer, or null for none. */
export const MaybeMoment = Type.Unsafe<Date | string | null>({ type: ['string', 'null'], format: 'date-time' })

/** A text in an answer, or null for none. */
export const MaybeText = Type.Unsafe<string | null>({ type: ['string', 'null'] })

/** Texts in an answer, such as scopes. */
export const Texts = Type.Unsafe<readonly string[]>({ type: 'array', items: { type: 'string' } })

/** The answer of a request that has nothing to tell but that it was done. */
export const Done = Type.Object({ message: Type.String({ description: 'What was done, for people.' }) })

/** The body of a request that has nothing to say: none, or an empty object. */
export const NoBody = Type.Object({}, { additionalProperties: false, nullable: true })
