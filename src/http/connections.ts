import { BlockList, isIPv6, type Server, type Socket } from 'node:net'
import { networkOf } from '../limits/networks.ts'

/** How long a client may take, and how much of the server it may hold: milliseconds, bytes, connections. */
export interface ConnectionLimits {
  /** Until the headers of a request are there, from its first byte or, of a first request, from the connection. */
  readonly headersTimeout: number
  /** Until its body is there too. */
  readonly requestTimeout: number
  /** From an answer to the next request; longer than the 60 seconds that proxies keep theirs open. */
  readonly keepAliveTimeout: number
  /** Without a byte in either direction, as when a client does not read its answer. */
  readonly idleTimeout: number
  /** Until what is still open is closed, once the server closes. */
  readonly closingTimeout: number
  /** How often the first two are looked at. */
  readonly checkingInterval: number
  /** Of the request line and all headers. */
  readonly maxHeaderSize: number
  /** Connections at a time. */
  readonly most: number
  /** Connections at a time from one IPv4 address or one /64 of IPv6. */
  readonly mostOfNetwork: number
}

export const CONNECTION_LIMITS: ConnectionLimits = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 72_000,
  idleTimeout: 60_000,
  closingTimeout: 5_000,
  checkingInterval: 1_000,
  maxHeaderSize: 16 * 1024,
  most: 10_000,
  mostOfNetwork: 1_000,
}

/** The names that `trustProxy` of Fastify knows. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
}

/**
 * Bounds how many connections a server has, and how many of them one network: whatever is over is closed at once.
 * @param unbounded networks that stand for many clients, such as a proxy
 * @param onClosed told of each that was closed
 */
export function boundConnections(
  server: Server,
  { most, mostOfNetwork }: Pick<ConnectionLimits, 'most' | 'mostOfNetwork'>,
  unbounded: readonly string[],
  onClosed: () => void,
): void {
  const isUnbounded = isWithin(unbounded)
  const open = new Map<string, number>()
  server.maxConnections = most
  server.on('drop', onClosed)

  server.on('connection', (socket: Socket) => {
    const { remoteAddress: address } = socket
    if (address === undefined || isUnbounded(address)) return
    const network = networkOf(address)
    const count = (open.get(network) ?? 0) + 1
    if (count > mostOfNetwork) {
      socket.destroy()
      return onClosed()
    }
    open.set(network, count)
    socket.once('close', () => {
      const left = (open.get(network) ?? 1) - 1
      if (left === 0) open.delete(network)
      else open.set(network, left)
    })
  })
}

/** Whether an address is in one of these networks, in the names and forms of `TRUST_PROXY`. */
export function isWithin(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const network of networks.flatMap((name) => NAMED[name] ?? [name])) {
    const [address = '', bits] = network.split('/')
    const family = familyOf(address)
    list.addSubnet(address, Number(bits ?? (family === 'ipv4' ? 32 : 128)), family)
  }
  return (address) => list.check(address, familyOf(address))
}

const familyOf = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4')
