/** How identifiers of accounts, sessions and keys are written; the database takes no other text for a UUID column. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
