import type { Body, Document, Operation, Parameter, Schema } from './document-types.ts'
import { type Field, fieldsOf, textOf } from './fields.ts'

const WAYS: Readonly<Record<string, string>> = {
  accessToken: 'access token',
  dpopAccessToken: 'access token with DPoP',
  firstPartyJwt: 'first-party JWT',
  apiKey: 'API key',
  refreshCookie: 'refresh cookie',
}

/** What the reference page shows of the document: its operations in the groups of the tags. */
export function referenceOf({ info, servers, tags, paths, components }: Document) {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      tag: operation.tags[0],
      ...shown(method, path, operation),
    })),
  )
  return {
    paragraphs: info.description.split('\n\n').map(parts),
    server: servers[0]?.url ?? '',
    credentials: Object.entries(components.securitySchemes).map(([name, { description }]) => ({
      name: WAYS[name] ?? name,
      description: parts(description),
    })),
    groups: tags
      .map(({ name, 'x-displayName': title, description }) => ({
        id: name,
        title,
        description,
        operations: operations.filter(({ tag }) => tag === name),
      }))
      .filter((group) => group.operations.length > 0),
  }
}

function shown(method: string, path: string, operation: Operation) {
  const { operationId, summary, description, security, parameters = [], requestBody, responses } = operation
  return {
    id: operationId,
    method: method.toUpperCase(),
    path,
    summary,
    description: parts(description),
    credentials: security.flatMap((way) => Object.keys(way).map((name) => WAYS[name] ?? name)),
    isOptional: security.some((way) => Object.keys(way).length === 0),
    scope: security.flatMap((way) => Object.values(way).flat())[0],
    parameters: parameters.map(parameterOf),
    body: requestBody && { required: requestBody.required, fields: described(fieldsOf(schemaOf(requestBody))) },
    responses: Object.entries(responses).map(([status, response]) => ({
      status,
      description: response.description,
      headers: Object.keys(response.headers ?? {}),
      ...answerOf(response),
    })),
  }
}

function parameterOf({ name, in: where, required, description, schema }: Parameter) {
  return {
    name,
    type: textOf(schema),
    isRequired: required,
    description: parts(`In the ${where}. ${description ?? ''}`),
  }
}

/** A problem is told by its codes, anything else by its members. */
function answerOf(response: Partial<Body>) {
  const codes = response.content?.['application/problem+json']?.schema.properties?.code?.enum
  return codes === undefined ? { codes: [], fields: described(fieldsOf(schemaOf(response))) } : { codes, fields: [] }
}

const described = (fields: readonly Field[]) =>
  fields.map((field) => ({ ...field, description: parts(field.description) }))

const schemaOf = ({ content = {} }: Partial<Body>): Schema => Object.values(content)[0]?.schema ?? {}

/** A text with what stands between backticks apart. */
function parts(text: string) {
  return text.split('`').map((part, i) => ({ isCode: i % 2 === 1, text: part }))
}
