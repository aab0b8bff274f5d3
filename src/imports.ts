import { type ResolveFnOutput, registerHooks } from 'node:module'

/** What the sources import by name, which is the same file for each of them. */
const byName = new Map<string, ResolveFnOutput>()

/**
 * Loaded before everything else (`node --import`). Node reads the package.json of a module's package
 * again for each import of it, and that of drizzle-orm has 130 KB of exports: over half a second and 150 MB
 * of garbage at every start. Its own relative imports need none of it, and a name needs it once.
 */
registerHooks({
  resolve(specifier, context, nextResolve) {
    const { parentURL = '' } = context
    const ofPackage = parentURL.includes('/node_modules/')
    if (specifier.startsWith('.') && parentURL.includes('/node_modules/drizzle-orm/')) {
      return { url: new URL(specifier, parentURL).href, format: 'module', shortCircuit: true }
    }
    if (ofPackage || /^[./]|^\w+:/.test(specifier)) return nextResolve(specifier, context)
    const known = byName.get(specifier) ?? { ...nextResolve(specifier, context), shortCircuit: true }
    byName.set(specifier, known)
    return known
  },
})
