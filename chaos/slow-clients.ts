/** Holds connections of a server open as slowly as it lets them, in a process of its own. */
import { connect, type Socket } from 'node:net'

/** What a process is told: to hold so many connections of a server, or none. */
export interface Hold {
  readonly port: number
  readonly connections: number
}

/** What it tells: how many are open, and how many were opened and closed on the way. */
export interface Held {
  readonly open: number
  readonly opened: number
}

const DRIP_MS = 500
const HEAD = 'POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n'

/** Ways to be slow: what is sent at first, and then now and then. */
const WAYS = [
  { first: '', then: '' },
  { first: 'GET /api/me HTTP/1.1\r\nHost: x\r\n', then: 'a: b\r\n' },
  { first: `${HEAD}Content-Length: 50000\r\n\r\n`, then: 'a' },
  { first: `${HEAD}Transfer-Encoding: chunked\r\n\r\n`, then: '1\r\na\r\n' },
]

const sockets = new Set<Socket>()
let opened = 0
let wanted: Hold = { port: 0, connections: 0 }

process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit())
process.on('message', (hold: Hold) => {
  wanted = hold
  opened = 0
  if (hold.connections === 0) for (const socket of sockets) socket.destroy()
  else for (let number = 0; number < hold.connections; number += 1) open(number)
  tellWhenThere()
})

function tellWhenThere(): void {
  if (sockets.size !== wanted.connections) return void setTimeout(tellWhenThere, 20)
  process.send?.({ open: sockets.size, opened } satisfies Held)
}

/** Opens one, and another in its place when the server closes it. */
function open(number: number): void {
  const { first, then } = WAYS[number % WAYS.length] as (typeof WAYS)[number]
  const { port } = wanted
  const socket = connect({ host: '127.0.0.1', port, localAddress: `127.0.0.${2 + (number % 200)}` })
  const drip = then === '' ? undefined : setInterval(() => socket.write(then), DRIP_MS)
  sockets.add(socket)
  opened += 1
  if (first !== '') socket.write(first)
  socket.resume().on('error', () => {})
  socket.once('close', () => {
    clearInterval(drip)
    sockets.delete(socket)
    if (wanted.connections > 0) open(number)
  })
}
