/** Whom a verified credential stands for, for this request. Logged: it never holds the credential itself. */
export interface Principal {
  readonly subject: { readonly kind: 'account' | 'client'; readonly id: string }
  /** The OAuth client acting, when there is one. */
  readonly clientId: string | undefined
  /** What was granted, narrowed to what the subject itself may do. */
  readonly scope: ReadonlySet<string>
  readonly role: 'user' | 'admin' | 'service' | undefined
  readonly credential: Credential
}

/** How we know. */
export type Credential =
  | {
      readonly kind: 'access_token'
      readonly id: string
      readonly grantId?: string | undefined
      readonly expiresAt: Date
      /** When the person signed in for whom it stands; a client's own has nobody who did. */
      readonly authenticatedAt?: Date | undefined
      /** Where its status is told, if it says so. */
      readonly statusIndex?: number | undefined
    }
  | {
      readonly kind: 'first_party_jwt'
      readonly id: string
      readonly sessionId: string
      readonly authenticatedAt: Date
    }
  | { readonly kind: 'api_key'; readonly id: string }

/** What callers are told of the kinds of credential. */
export const WIRE_KINDS = { first_party_jwt: 'jwt', access_token: 'oauth', api_key: 'api_key' } as const
