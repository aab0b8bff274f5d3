const day = new Intl.DateTimeFormat('en', { dateStyle: 'medium' })
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
]

// No line ends inside a date.
export const onDay = (date) => day.format(new Date(date)).replaceAll(' ', '\u00a0')

/** "3 hours ago", "yesterday", and the day itself beyond a month. */
export function ago(date, now = Date.now()) {
  const elapsed = now - new Date(date).getTime()
  if (elapsed > 30 * 86_400_000) return onDay(date)
  const unit = units.find(([, length]) => elapsed >= length)
  return unit ? relative.format(-Math.floor(elapsed / unit[1]), unit[0]) : 'just now'
}
