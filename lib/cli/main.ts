#!/usr/bin/env node
// What a command needs is an optional package of Tidemark's, so it is imported only here, when there is a command.
try {
  const { tidemark } = await import('./tidemark.js')
  await tidemark().parseAsync()
} catch (error) {
  const { code, message } = error as { readonly code?: string; readonly message: string }
  const missing = code === 'ERR_MODULE_NOT_FOUND' ? /package '([^']+)'/.exec(message)?.[1] : undefined
  console.error(
    missing === undefined ? message : `tidemark needs the package ${missing}: npm install commander kafkajs`,
  )
  process.exitCode = 1
}
