import { readFile } from 'node:fs/promises'
import { highlight } from 'sugar-high'
import type { Plugin } from 'vite'

const SUFFIX = '?highlighted'

/** `import source from './pipeline.ts?highlighted'`: the file's text as coloured HTML, made when the page is built. */
export function highlighted(): Plugin {
  return {
    name: 'highlighted',
    enforce: 'pre',
    async load(id) {
      if (!id.endsWith(SUFFIX)) return
      const file = id.slice(0, -SUFFIX.length)
      this.addWatchFile(file)
      return `export default ${JSON.stringify(highlight(await readFile(file, 'utf8'), { lang: 'typescript' }))}`
    },
  }
}
