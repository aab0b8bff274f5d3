import t from 'tap'
import type { ChangeCarrier } from '../../src/database/change-carrier.ts'
import { hearChanges } from '../../src/database/change-feed.ts'
import { makeDatabase } from '../fixtures/database.ts'
import { eventually } from '../fixtures/eventually.ts'

const { db, drop } = await makeDatabase()
t.teardown(drop)

/** Brings messages to whoever sent them: at once, or while it is congested in order but late. */
function createCarrier(): ChangeCarrier & {
  isCongested: boolean
  readonly late: string[]
  deliver(count: number): void
} {
  const late: string[] = []
  let hear: (message: string) => void = () => {}
  return {
    isCongested: false,
    late,
    subscribe(listener, connected) {
      hear = listener
      connected()
    },
    async send(message) {
      if (this.isCongested) late.push(message)
      else hear(message)
    },
    deliver(count) {
      for (const message of late.splice(0, count)) hear(message)
    },
    async close() {},
  }
}

t.test('a beat that comes late does not show that what was told since has come', async (t) => {
  const carrier = createCarrier()
  const feed = hearChanges(carrier, db, { onChange() {}, onGap() {}, onError: (error) => t.fail(String(error)) })
  t.teardown(() => feed.close())
  const becomes = (wanted: boolean) =>
    eventually(
      async () => feed.isCurrent(),
      (isCurrent) => isCurrent === wanted,
      5_000,
    )
  t.equal(await becomes(true), true)

  carrier.isCongested = true
  t.equal(await becomes(false), false, 'without a beat it is deaf')
  // The first of five beats is older than any that counts.
  await eventually(
    async () => carrier.late.length,
    (length) => length >= 5,
    10_000,
  )
  carrier.deliver(1)
  t.equal(feed.isCurrent(), false, 'a late one changes nothing')
  carrier.isCongested = false
  t.equal(await becomes(true), true, 'one that comes in time does')
})
