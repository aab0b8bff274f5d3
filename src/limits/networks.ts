import ipaddr from 'ipaddr.js'

/**
 * The network that an address counts as: an IPv4 address itself, also one that IPv6 carries; of IPv6 the /64,
 * which is the least that anybody is given and holds more addresses than can be counted.
 */
export function networkOf(address: string | undefined): string {
  if (address === undefined || !ipaddr.isValid(address)) return 'unknown'
  const parsed = ipaddr.process(address)
  if (parsed instanceof ipaddr.IPv4) return parsed.toString()
  return `${parsed.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`
}
