import type { Schema } from './document-types.ts'

/** A member of what is sent or answered, by its name with those of what it is in. */
export interface Field {
  readonly name: string
  readonly type: string
  readonly isRequired: boolean
  readonly description: string
}

/** The members of a schema, those of members among them. */
export function fieldsOf(schema: Schema, within = ''): Field[] {
  const { properties = {}, required = [] } = schema
  return Object.entries(properties).flatMap(([name, member]) => {
    const path = `${within}${name}`
    const field = {
      name: path,
      type: textOf(member),
      isRequired: required.includes(name),
      description: member.description ?? '',
    }
    const items = member.items?.properties === undefined ? [] : fieldsOf(member.items, `${path}[].`)
    return [field, ...fieldsOf(member, `${path}.`), ...items]
  })
}

/** A schema in a few words: type, choices, bounds. */
export function textOf(schema: Schema): string {
  const { type, format, enum: choices, const: one, anyOf, items, minLength, maxLength, minimum, maximum } = schema
  if (one !== undefined) return JSON.stringify(one)
  if (choices !== undefined) return choices.map((choice) => JSON.stringify(choice)).join(' or ')
  if (anyOf !== undefined) return anyOf.map(textOf).join(' or ')
  if (items !== undefined) return `array of ${textOf(items)}`
  const names = [type ?? 'anything'].flat().join(' or ')
  const bounds = [between(minLength, maxLength, ' characters'), between(minimum, maximum)].filter(Boolean)
  return [names, format, ...bounds].filter(Boolean).join(', ')
}

function between(least: number | undefined, most: number | undefined, what = ''): string {
  if (most === undefined) return least === undefined ? '' : `at least ${least}${what}`
  return least === undefined ? `at most ${most}${what}` : `${least} to ${most}${what}`
}
