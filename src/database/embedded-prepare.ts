import { prepareCluster } from './embedded-cluster.ts'

// Without it the first start makes its own.
await prepareCluster().catch((error: unknown) => {
  process.stderr.write(`no cluster was prepared for the embedded database: ${error}\n`)
})
