import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import { join } from '../../test/fixtures/proxy.ts'

/** What stands before the servers, at the address of the issuer. */
export interface Balancer {
  /** The servers that connections go to from now on, in turn. */
  readonly servers: Set<string>
  close(): void
}

/** Takes connections at a port and hands each to one of the servers; what the server loses, the client loses. */
export async function startBalancer(port: number): Promise<Balancer> {
  const servers = new Set<string>()
  const sockets = new Set<Socket>()
  let turn = 0
  const listener = createServer((client) => {
    const urls = [...servers]
    const url = urls[turn++ % urls.length]
    if (url === undefined) return void client.destroy()
    const upstream = createConnection(Number(new URL(url).port), 'localhost')
    join(client, upstream, sockets)
  }).listen(port, 'localhost')
  await once(listener, 'listening')
  return {
    servers,
    close() {
      listener.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
