import { stderr } from 'node:process'

/** Says what is going on, on standard error: in one line of a terminal, in lines elsewhere. */
export interface Progress {
  tell(what: string): void
  end(): void
}

export function createProgress(): Progress {
  const startedAt = Date.now()
  return {
    tell(what) {
      const line = `[${String(Math.round((Date.now() - startedAt) / 1000)).padStart(4)} s] ${what}`
      stderr.write(stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`)
    },
    end() {
      if (stderr.isTTY) stderr.write('\r\x1b[K')
    },
  }
}
