import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { build } from 'esbuild'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { type Served, serve } from './serve.js'

/** Where Chromium is. */
export const executable = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'
export const isInstalled = existsSync(executable)

/** A running browser with a profile of its own. */
export interface Chromium {
  readonly context: BrowserContext
  readonly page: Page
  /** The user data directory: give it to `openChromium` to find what this one stored. */
  readonly profile: string
  /** Ends all its processes at once, as a crash does, and keeps the profile. */
  kill(): Promise<void>
  /** Ends it and deletes the profile. */
  close(): Promise<void>
}

const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--remote-debugging-port=0',
]

/** Starts a browser. Started here and not by playwright, which gives no process that a test could kill. */
export async function openChromium(options: { profile?: string } = {}): Promise<Chromium> {
  const profile = options.profile ?? mkdtempSync(join(tmpdir(), 'tidemark-chromium-'))
  const child = spawn(executable, [...ARGUMENTS, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const browser = await chromium.connectOverCDP(await debuggerUrl(child))
  const context = browser.contexts()[0] as BrowserContext
  const page = context.pages()[0] ?? (await context.newPage())
  const kill = async () => {
    // The group: a detached child leads its own, with the processes that it started.
    if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid as number), 'SIGKILL')
    await exited
    await browser.close()
  }
  return {
    context,
    page,
    profile,
    kill,
    async close() {
      await kill()
      rmSync(profile, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}

async function debuggerUrl(child: ChildProcess): Promise<string> {
  const said: string[] = []
  for await (const line of createInterface({ input: child.stderr as NodeJS.ReadableStream })) {
    const url = /^DevTools listening on (ws:.*)$/.exec(line)?.[1]
    said.push(line)
    if (url !== undefined) {
      child.stderr?.resume()
      return url
    }
  }
  throw new Error(`Chromium ended before it could be used:\n${said.join('\n')}`)
}

/** A page with one script, on an origin of its own: IndexedDB and Web Locks need one. */
export type BundledPage = Served

/** Bundles a TypeScript file for the browser and serves it in an empty page. What needs Node fails here. */
export async function bundlePage(entryFile: string): Promise<BundledPage> {
  const bundle = await build({
    entryPoints: [entryFile],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    sourcemap: 'inline',
  })
  const script = bundle.outputFiles[0]?.text ?? ''
  return serve((request, response) => {
    const isScript = request.url === '/script.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8')
    response.end(
      isScript ? script : '<!doctype html><title>test</title><script type="module" src="/script.js"></script>',
    )
  })
}
