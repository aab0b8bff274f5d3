import { Type } from 'typebox'
import { Email, Name, NewPassword, Password } from '../accounts/schemas.ts'
import { UUID } from '../database/identifiers.ts'
import { Done, MaybeText, Moment, NoBody } from '../http/schemas.ts'

const tags = ['sign-in']
/** Security requirements, one of which will do. */
const ways = (...schemes: string[]): Record<string, string[]>[] => schemes.map((scheme) => ({ [scheme]: [] }))
const Register = Type.Object(
  { email: Email, password: NewPassword, name: Type.Optional(Name) },
  { additionalProperties: false },
)
const SignIn = Type.Object({ email: Email, password: Password }, { additionalProperties: false })
/** `nullable` lets a request without a body through. */
const Refresh = Type.Object(
  { refreshToken: Type.Optional(Type.String({ maxLength: 128 })) },
  { additionalProperties: false, nullable: true },
)

const TOKENS = {
  accessToken: Type.String({ description: 'A first-party JWT.' }),
  expiresIn: Type.Integer({ description: 'Seconds that it is good for.' }),
  refreshToken: Type.Optional(Type.String({ description: 'Not for a browser, which gets it as a cookie.' })),
}

export const REGISTER = {
  summary: 'Make an account',
  description: 'Where `SIGN_UP` is open. Does not sign in.',
  tags,
  body: Register,
  response: {
    201: Type.Object({
      message: Type.String(),
      user: Type.Object({ id: Type.String(), email: Type.String(), name: MaybeText, role: Type.String() }),
    }),
  },
}

export const SIGN_IN = {
  summary: 'Sign in',
  description: 'Starts a session, which ends the one that this browser had.',
  tags,
  body: SignIn,
  response: {
    200: Type.Object({
      method: Type.String({ description: '`JWT`' }),
      user: Type.Object({ id: Type.String(), email: Type.String(), role: Type.String() }),
      ...TOKENS,
    }),
  },
}

export const REFRESH = {
  summary: 'Refresh a sign-in',
  description:
    'Takes the refresh token of the body, else of the cookie, and replaces it. Use it once: another use of an old one ' +
    'ends the session, but for a retry within 30 seconds.',
  tags,
  security: [...ways('refreshCookie'), {}],
  body: Refresh,
  response: { 200: Type.Object(TOKENS) },
}

export const SIGN_OUT = {
  summary: 'Sign out',
  description: 'Ends the session of a first-party JWT or of the cookie; revokes an access token. An API key stays.',
  tags,
  security: ways('firstPartyJwt', 'accessToken', 'dpopAccessToken', 'apiKey', 'refreshCookie'),
  body: NoBody,
  response: { 200: Done },
}

export const LIST = {
  summary: 'List sessions',
  description: 'Where the account is signed in.',
  tags,
  response: {
    200: Type.Object({
      sessions: Type.Array(
        Type.Object({
          id: Type.String(),
          current: Type.Boolean({ description: 'Whether it is the one that asks.' }),
          signedInAt: Moment,
          lastUsedAt: Moment,
          expiresAt: Moment,
        }),
      ),
    }),
  },
}

export const END_OTHERS = {
  summary: 'Sign out everywhere else',
  description: 'Ends all sessions of the account but the one that asks.',
  tags,
  response: { 200: Done },
}

export const END_ONE = {
  summary: 'Sign out elsewhere',
  description: 'Ends one session of the account.',
  tags,
  params: Type.Object({ id: Type.String({ pattern: UUID.source }) }),
  response: { 200: Done },
}
