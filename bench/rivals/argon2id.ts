import { hashPassword, verifyPassword } from '../../src/secrets/password.ts'
import { type RivalSettings, serveApplication } from './application.ts'

/** One Argon2id with Gatehouse's parameters a request, and nothing else of a sign-in. */
await serveApplication<RivalSettings>(async (app, { answer }) => {
  const password = 'correct horse battery staple'
  const phc = await hashPassword(password)
  app.post('/sign-in', async () => {
    await verifyPassword(phc, password)
    return { ...answer }
  })
})
