/** What the outside is told of a failure: fixed by the class, apart from its cause. */
export class PublicError extends Error {
  readonly status: number
  /** Stable, machine readable; the OAuth error code where a specification names one. */
  readonly code: string
  /** Seconds after which a new try makes sense, for the Retry-After header. */
  readonly retryAfter: number | undefined

  constructor(status: number, code: string, detail: string, options: { cause?: unknown; retryAfter?: number } = {}) {
    super(detail, { cause: options.cause })
    this.name = new.target.name
    this.status = status
    this.code = code
    this.retryAfter = options.retryAfter
  }
}

/** The request is malformed (RFC 6750 3.1 `invalid_request`). */
export class InvalidRequest extends PublicError {
  constructor(detail: string, options?: { cause?: unknown }) {
    super(400, 'invalid_request', detail, options)
  }
}

/** A redirect URI may not be registered (RFC 7591 3.2.2 `invalid_redirect_uri`). */
export class InvalidRedirectUri extends PublicError {
  constructor(detail: string) {
    super(400, 'invalid_redirect_uri', detail)
  }
}

/** A scope is unknown, or more than the owner may give (RFC 6749 5.2 `invalid_scope`). */
export class InvalidScope extends PublicError {
  constructor(detail: string) {
    super(400, 'invalid_scope', detail)
  }
}

/** No credential was presented (RFC 6750 3.1: a challenge without an error code). */
export class CredentialRequired extends PublicError {
  constructor() {
    super(
      401,
      'credential_required',
      'This route needs a credential: an access token, a first-party JWT or an API key.',
    )
  }
}

/** The credential presented is malformed, expired, revoked or unknown; the text never says which. */
export class InvalidCredential extends PublicError {
  constructor(cause?: unknown) {
    super(401, 'invalid_token', 'The credential is not valid.', { cause })
  }
}

/** No such random value was ever issued: it stays invalid however often it is presented. */
export class UnknownCredential extends InvalidCredential {}

/** The credential is good, but its kind is not taken here. */
export class CredentialNotAccepted extends PublicError {
  constructor() {
    super(403, 'credential_not_accepted', 'This route does not take this kind of credential.')
  }
}

/** The credential is good, but lacks a scope (RFC 6750 3.1 `insufficient_scope`). */
export class InsufficientScope extends PublicError {
  readonly scope: string

  constructor(scope: string) {
    super(403, 'insufficient_scope', `This route needs the scope ${scope}.`)
    this.scope = scope
  }
}

/** The subject's role does not allow this. */
export class InsufficientRole extends PublicError {
  constructor() {
    super(403, 'insufficient_role', 'This route needs another role.')
  }
}

/** E-mail or password wrong: one text for both, so that a stranger learns nothing. */
export class InvalidSignIn extends PublicError {
  /** The account that was meant, where there is one; for the audit, never told. */
  readonly accountId: string | undefined

  constructor(accountId?: string) {
    super(401, 'invalid_sign_in', 'The e-mail or the password is not right.')
    this.accountId = accountId
  }
}

/** The request comes from another site's page. */
export class CrossSiteRequest extends PublicError {
  constructor() {
    super(403, 'cross_site_request', 'This route does not take requests from other sites.')
  }
}

/** What was asked for does not exist, or is another's. */
export class NotFound extends PublicError {
  constructor(detail = 'There is nothing here.') {
    super(404, 'not_found', detail)
  }
}

/** The change conflicts with what is there. */
export class Conflict extends PublicError {
  constructor(code: string, detail: string) {
    super(409, code, detail)
  }
}

/** Too many attempts (RFC 6585 4). */
export class TooManyAttempts extends PublicError {
  constructor(retryAfter: number) {
    super(429, 'too_many_attempts', 'Too many attempts. Wait a little, then try again.', { retryAfter })
  }
}

/** The database does not answer. */
export class Unavailable extends PublicError {
  constructor(cause: unknown) {
    super(503, 'temporarily_unavailable', 'The server is not available for a moment. Try again.', {
      cause,
      retryAfter: 2,
    })
  }
}
