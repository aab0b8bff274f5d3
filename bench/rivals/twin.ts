import { serveApplication } from './application.ts'

/** `GET /api/me` as Gatehouse has it, without a credential. */
await serveApplication(async () => {})
