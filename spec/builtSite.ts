import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { type Served, serve } from './serve.js'

/** Some folder of a host: the site must not count on being at the top. */
const FOLDER = 'some/folder/'
const TYPES: { readonly [extension: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.gz': 'application/gzip',
}

/** The demos' site as `npm run demos:build` makes it, on a host that serves files and nothing else. */
export interface BuiltSite extends Served {
  /** JavaScript that has been asked for since the last call: bytes of each file by name, with gzip. */
  scripts(): Map<string, number>
}

/** Bytes of the scripts that a page loads for itself: the editor comes beside them, for whoever is going to write code. */
export function weight(scripts: ReadonlyMap<string, number>): number {
  return [...scripts].reduce((sum, [name, bytes]) => (/^(editor|compile)-/.test(name) ? sum : sum + bytes), 0)
}

export async function buildSite(): Promise<BuiltSite> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-site-'))
  await promisify(execFile)(process.execPath, ['--import', 'tsx', 'demos/vite.ts', 'build', '--out', folder])
  const scripts = new Map<string, number>()
  const served = await serve(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    try {
      if (!pathname.startsWith(`/${FOLDER}`) || pathname.includes('..')) throw new Error('not here')
      const body = await readFile(join(folder, pathname.slice(1 + FOLDER.length)))
      if (extname(pathname) === '.js') scripts.set(pathname.slice(pathname.lastIndexOf('/') + 1), gzipSync(body).length)
      response.setHeader('content-type', TYPES[extname(pathname)] ?? 'application/octet-stream')
      response.end(body)
    } catch {
      response.statusCode = 404
      response.end()
    }
  })
  return {
    url: served.url + FOLDER,
    scripts() {
      const asked = new Map(scripts)
      scripts.clear()
      return asked
    },
    async close() {
      await served.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
