// npm run demos, npm run demos:build: the pages, served while one works on them, or as a static site.
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build, createServer, defaultClientConditions, type InlineConfig } from 'vite'
import { frame } from './site/plugins/frame.js'
import { recordings } from './site/plugins/recordings.js'

const root = fileURLToPath(new URL('.', import.meta.url))
const lib = fileURLToPath(new URL('../lib', import.meta.url))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: 'string', default: 'dist' }, port: { type: 'string', default: '5173' } },
})

const config: InlineConfig = {
  root,
  configFile: false,
  // Works from any folder of any static host.
  base: './',
  publicDir: false,
  plugins: [frame(), recordings()],
  resolve: {
    // RxJS has a smaller build for those.
    conditions: ['es2015', ...defaultClientConditions],
    alias: [
      { find: /^tidemark$/, replacement: `${lib}/index.ts` },
      { find: /^tidemark\/idb$/, replacement: `${lib}/stores/idb.ts` },
      { find: /^tidemark\/tabs$/, replacement: `${lib}/brokers/tabs.ts` },
      { find: /^tidemark\/(marbles|replay)$/, replacement: `${lib}/$1/index.ts` },
    ],
  },
  worker: { format: 'es' },
  server: { host: '127.0.0.1', port: Number(values.port) },
  build: {
    target: 'es2022',
    outDir: values.out,
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    // The editor is as large as it is.
    chunkSizeWarningLimit: 600,
    rollupOptions: {
      input: ['', 'fraud/', 'clickstream/', 'orders/', 'live/', 'playground/'].map(
        (page) => `${root}${page}index.html`,
      ),
    },
  },
}

if (positionals[0] === 'build') await build(config)
else {
  const server = await createServer(config)
  await server.listen()
  server.printUrls()
}
