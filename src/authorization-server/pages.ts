import type { ErrorOut, KoaContextWithOIDC } from 'oidc-provider'
import { renderView } from '../http/views.ts'
import { signOutSecretOf } from './engine-internals.ts'

function show(ctx: KoaContextWithOIDC, view: string, data: object): void {
  ctx.type = 'html'
  ctx.body = renderView(view, data)
}

/** Asks whether to sign out (OpenID Connect RP-Initiated Logout 1.0, 2). */
export async function renderSignOut(ctx: KoaContextWithOIDC): Promise<void> {
  const { client } = ctx.oidc
  show(ctx, 'sign-out', {
    action: ctx.oidc.urlFor('end_session_confirm'),
    xsrf: signOutSecretOf(ctx),
    client: client && { name: client.clientName ?? client.clientId },
  })
}

/** Says that the person is signed out, or still signed in after declining to be. */
export async function renderSignedOut(ctx: KoaContextWithOIDC, signedInHere: boolean): Promise<void> {
  const { client, provider } = ctx.oidc
  const { accountId } = await provider.Session.get(ctx)
  show(ctx, 'signed-out', {
    client: client && { name: client.clientName ?? client.clientId },
    stays: signedInHere || accountId !== undefined,
  })
}

const MESSAGES: Readonly<Record<string, string>> = {
  invalid_client: 'The application that sent you here is not known to this server.',
  invalid_redirect_uri: 'The application wants you sent to an address it has not registered, so we did not follow it.',
  access_denied: 'Access was denied.',
  temporarily_unavailable: 'The server is not available for a moment. Try again.',
  server_error: 'Something went wrong on our side.',
}

/** An error the engine shows to a person, for instance because redirecting it would not be safe (RFC 6749 4.1.2.1). */
export async function renderEngineError(ctx: KoaContextWithOIDC, out: ErrorOut): Promise<void> {
  const error = ctx.status === 503 ? 'temporarily_unavailable' : out.error
  show(ctx, 'error', {
    status: ctx.status,
    title: ctx.status >= 500 ? 'Something went wrong' : 'This request cannot go on',
    message: MESSAGES[error] ?? out.error_description ?? 'The request is not valid.',
    code: error,
  })
}
