import { customType, timestamp } from 'drizzle-orm/pg-core'

/** An instant to the millisecond, as JavaScript knows it. */
export const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date', precision: 3 })

/** When the row was made. */
export const createdAt = () => moment('created_at').notNull().defaultNow()

/** Bytes, in base64url outside the database: less than half of what their text takes in a row and in an index. */
export const bytes = customType<{ data: string; driverData: Buffer }>({
  dataType: () => 'bytea',
  toDriver: (text) => Buffer.from(text, 'base64url'),
  fromDriver: (stored) => stored.toString('base64url'),
})

/** The identity of a transaction, which never comes again. */
export const transactionId = customType<{ data: string }>({ dataType: () => 'xid8' })
