import t from 'tap'
import { networkOf } from '../../src/limits/networks.ts'

t.test('an IPv4 address is a network of its own, also when IPv6 carries it', async (t) => {
  t.equal(networkOf('192.0.2.1'), '192.0.2.1')
  t.equal(networkOf('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(networkOf('::ffff:c000:201'), '192.0.2.1')
  t.not(networkOf('192.0.2.1'), networkOf('192.0.2.2'))
})

t.test('of IPv6 a /64 is one network', async (t) => {
  const same = ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:0DB8:0001:0002:0:0:0:1']
  t.strictSame([...new Set(same.map(networkOf))], ['2001:db8:1:2::/64'])
  t.equal(networkOf('2001:db8:1:3::1'), '2001:db8:1:3::/64')
  t.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64', 'whatever the interface')
})

t.test('what is no address is one network', async (t) => {
  for (const address of [undefined, '', 'unknown', '192.0.2.1, 192.0.2.2']) t.equal(networkOf(address), 'unknown')
})
