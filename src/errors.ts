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

/** The identifier of a resource will not do (RFC 8707 2 `invalid_target`). */
export class InvalidTarget extends PublicError {
  constructor(detail: string) {
    super(400, 'invalid_target', detail)
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

/** The token is bound to a key, and was presented as if it were not (RFC 9449 7.2), or the other way round. */
export class WrongScheme extends InvalidCredential {}

/** The proof that the caller has the key of its token will not do (RFC 9449 7.1 `invalid_dpop_proof`). */
export class InvalidDpopProof extends PublicError {
  constructor(cause?: unknown) {
    super(401, 'invalid_dpop_proof', 'The DPoP proof is missing, not valid or used before.', { cause })
  }
}

/** The proof needs the nonce that comes in `DPoP-Nonce` (RFC 9449 9 `use_dpop_nonce`). */
export class DpopNonceRequired extends PublicError {
  constructor() {
    super(401, 'use_dpop_nonce', 'The DPoP proof needs the nonce that this answer gives.')
  }
}

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

/** The person signed in too long ago for this (RFC 9470 3 `insufficient_user_authentication`). */
export class ReauthenticationRequired extends PublicError {
  /** Seconds that may have passed since. */
  readonly maxAge: number

  constructor(maxAge: number) {
    super(401, 'insufficient_user_authentication', 'Sign in again to do this: your sign-in is too long ago.')
    this.maxAge = maxAge
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

/** A sign-in at an upstream provider came to nothing: it was refused there, or what came back will not do. */
export class UpstreamRefused extends PublicError {
  constructor(name: string, cause?: unknown) {
    super(400, 'upstream_refused', `The sign-in at ${name} did not succeed. Go back and start again.`, { cause })
  }
}

/** An upstream provider does not answer, or not as one does. */
export class UpstreamUnavailable extends PublicError {
  constructor(name: string, cause?: unknown) {
    const detail = `${name} does not answer as it should. Try again in a moment, or use another way to sign in.`
    super(502, 'upstream_unavailable', detail, { cause })
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

/** A change must say what it was decided on (RFC 6585 3). */
export class PreconditionRequired extends PublicError {
  constructor() {
    super(428, 'precondition_required', 'Send If-Match with the ETag of what you have read.')
  }
}

/** It has changed since it was read (RFC 9110 13.1.1). */
export class PreconditionFailed extends PublicError {
  constructor() {
    super(412, 'precondition_failed', 'It has changed since you read it. Read it again.')
  }
}

/** The key was given to another request (draft-ietf-httpapi-idempotency-key-header 2.7). */
export class IdempotencyKeyReused extends PublicError {
  constructor() {
    super(422, 'idempotency_key_reused', 'You have given this Idempotency-Key to another request.')
  }
}

/** The body is larger than any that is taken here (RFC 9110 15.5.14). */
export class BodyTooLarge extends PublicError {
  constructor(cause?: unknown) {
    super(413, 'body_too_large', 'The request body is too large.', { cause })
  }
}

/** Too many attempts (RFC 6585 4). */
export class TooManyAttempts extends PublicError {
  constructor(retryAfter: number) {
    super(429, 'too_many_attempts', 'Too many attempts. Wait a little, then try again.', { retryAfter })
  }
}

/** As many clients have registered themselves as may. */
export class TooManyClients extends PublicError {
  constructor() {
    super(503, 'temporarily_unavailable', 'No more clients can be taken for now. Ask the operator.', {
      retryAfter: 3600,
    })
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

/** More is asked of the server than it can do soon. */
export class Busy extends PublicError {
  constructor(retryAfter: number, cause: unknown) {
    super(503, 'temporarily_unavailable', 'The server is busy. Try again in a moment.', { cause, retryAfter })
  }
}
