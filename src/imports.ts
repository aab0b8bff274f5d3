import { registerHooks } from 'node:module'

/**
 * Loaded before everything else (`node --import`). Node reads the package.json of a module's package
 * again for each module, and that of drizzle-orm has 130 KB of exports: half a second and 150 MB of
 * garbage at every start. Its own relative imports need none of it.
 */
registerHooks({
  resolve(specifier, context, nextResolve) {
    const ofDrizzle = specifier.startsWith('.') && context.parentURL?.includes('/node_modules/drizzle-orm/')
    if (!ofDrizzle) return nextResolve(specifier, context)
    return { url: new URL(specifier, context.parentURL).href, format: 'module', shortCircuit: true }
  },
})
