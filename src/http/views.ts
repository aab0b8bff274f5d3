import { fileURLToPath } from 'node:url'
import { Eta } from 'eta'

const folder = fileURLToPath(new URL('../../views', import.meta.url))
const eta = new Eta({ views: folder, autoEscape: true, cache: true })

/** Where the style sheet and scripts of the pages lie. */
export const assetsFolder = fileURLToPath(new URL('../../views/assets', import.meta.url))

/** The HTML of a page of `views/`; what is in `data` is escaped. */
export function renderView(name: string, data: object): string {
  return eta.render(`/${name}`, data)
}
