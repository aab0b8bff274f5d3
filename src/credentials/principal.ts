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
    }
  | {
      readonly kind: 'first_party_jwt'
      readonly id: string
      readonly sessionId: string
      readonly authenticatedAt: Date
    }
  | { readonly kind: 'api_key'; readonly id: string }
