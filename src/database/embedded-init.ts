import { openPGlite } from './embedded-open.ts'

const [, , data] = process.argv
if (data === undefined) throw new TypeError('the data directory is missing')
await (await openPGlite(data)).close()
