/** A number as it is read in a table: three figures that count, thousands apart. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '-'
  if (value >= 100) return Math.round(value).toLocaleString('en')
  if (value >= 10) return value.toFixed(1)
  return value.toFixed(2)
}

/** Statements a request; `0` only where there was none at all. */
export function perRequest(value: number): string {
  if (value === 0) return '0'
  if (value < 0.005) return value.toExponential(0)
  return value.toFixed(2)
}
