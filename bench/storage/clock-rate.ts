/** How much faster than the clock on the wall the clock of a fast server runs: a day in ten minutes. */
export const RATE = 144
