import { posix } from 'node:path'
import type { Plugin } from 'vite'
import { demoPage } from './demoPage.js'

const PAGES = [
  ['fraud', 'Fraud'],
  ['clickstream', 'Clickstream'],
  ['orders', 'Orders'],
  ['live', 'Live'],
  ['playground', 'Playground'],
] as const

const ICON = `<svg viewBox="0 0 32 32" aria-hidden="true"><path d="M2 21c4 0 4-4 8-4s4 4 8 4 4-4 8-4 4 2 4 2" class="wave"/><path d="M2 27c4 0 4-4 8-4s4 4 8 4 4-4 8-4 4 2 4 2" class="wave faint"/><circle cx="22" cy="8" r="4.5" class="drop"/></svg>`
const FAVICON = `data:image/svg+xml,${encodeURIComponent("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><path d='M2 21c4 0 4-4 8-4s4 4 8 4 4-4 8-4 4 2 4 2' fill='none' stroke='#0e7c86' stroke-width='3' stroke-linecap='round'/><circle cx='22' cy='8' r='5' fill='#e8833a'/></svg>")}`

/** Puts around each page what all of them have: head, navigation, footer. Links are relative, and name the file. */
export function frame(): Plugin {
  return {
    name: 'frame',
    transformIndexHtml: {
      order: 'pre',
      async handler(html, { path }) {
        const page = posix.dirname(path).slice(1)
        const to = (other: string) => `${page === '' ? '.' : '..'}/${other === '' ? '' : `${other}/`}index.html`
        const links = PAGES.map(
          ([name, title]) => `<a href="${to(name)}"${name === page ? ' aria-current="page"' : ''}>${title}</a>`,
        )
        return (await demoPage(html, page))
          .replace(
            '<head>',
            `<head><meta charset="utf-8" /><meta name="viewport" content="width=device-width, initial-scale=1" />
            <meta name="color-scheme" content="light dark" /><link rel="icon" href="${FAVICON}" />
            <link rel="stylesheet" href="${page === '' ? '.' : '..'}/site/site.css" />`,
          )
          .replace(
            '<body>',
            `<body><a class="skip" href="#main">To the content</a>
            <header class="top"><a class="brand" href="${to('')}"${page === '' ? ' aria-current="page"' : ''}>${ICON}<span>Tidemark</span></a>
            <nav aria-label="Demos">${links.join('')}</nav></header>`,
          )
          .replace(
            '</body>',
            '<footer class="bottom">All of this runs in your browser; nothing is sent anywhere.</footer></body>',
          )
      },
    },
  }
}
