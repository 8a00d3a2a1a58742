import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'

/** Some folder of a host: the site must not count on being at the top. */
const FOLDER = '/some/folder/'
const TYPES: { readonly [extension: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.gz': 'application/gzip',
}

/** The demos' site as `npm run demos:build` makes it, on a host that serves files and nothing else. */
export interface BuiltSite {
  readonly url: string
  /** JavaScript that has been asked for since the last call: bytes of each file by name, with gzip. */
  scripts(): Map<string, number>
  close(): Promise<void>
}

export async function buildSite(): Promise<BuiltSite> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-site-'))
  await promisify(execFile)(process.execPath, ['--import', 'tsx', 'demos/vite.ts', 'build', '--out', folder])
  const scripts = new Map<string, number>()
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    try {
      if (!pathname.startsWith(FOLDER) || pathname.includes('..')) throw new Error('not here')
      const body = await readFile(join(folder, pathname.slice(FOLDER.length)))
      if (extname(pathname) === '.js') scripts.set(pathname.slice(pathname.lastIndexOf('/') + 1), gzipSync(body).length)
      response.setHeader('content-type', TYPES[extname(pathname)] ?? 'application/octet-stream')
      response.end(body)
    } catch {
      response.statusCode = 404
      response.end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${FOLDER}`,
    scripts() {
      const asked = new Map(scripts)
      scripts.clear()
      return asked
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true, force: true })
    },
  }
}
