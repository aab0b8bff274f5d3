/** The part of JSON Schema that routes here describe themselves by. */
export interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly format?: string
  readonly description?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
}

export interface Parameter {
  readonly name: string
  readonly in: string
  readonly required: boolean
  readonly description?: string
  readonly schema: Schema
}

export interface Body {
  readonly content: Readonly<Record<string, { readonly schema: Schema }>>
}

export interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly description: string
  readonly tags: readonly string[]
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: Body & { readonly required: boolean }
  readonly responses: Readonly<
    Record<
      string,
      Partial<Body> & { readonly description: string; readonly headers?: Readonly<Record<string, object>> }
    >
  >
}

/** The OpenAPI document as `registerDocument` makes it. */
export interface Document {
  readonly info: { readonly description: string }
  readonly servers: readonly { readonly url: string }[]
  readonly tags: readonly { readonly name: string; readonly 'x-displayName': string; readonly description: string }[]
  readonly components: { readonly securitySchemes: Readonly<Record<string, { readonly description: string }>> }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}
