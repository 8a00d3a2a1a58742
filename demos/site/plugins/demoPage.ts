import { readFile } from 'node:fs/promises'
import { highlight } from 'sugar-high'

const RECORDED = ['fraud', 'clickstream', 'orders']

/** Puts around what the page of a demo says (a heading with a few words, and a list of what one sees) what all of them have in common. */
export async function demoPage(html: string, page: string): Promise<string> {
  if (page === 'live') return withColumns(html, 'fraud', 'the same as on the page with the recording')
  if (!RECORDED.includes(page)) return html
  const framed = await withColumns(html, page, `also in Node, and on Kafka: <code>npm start -- ${page}</code>`)
  return framed
    .replace(/<h1>.*?<\/p>/s, (words) => opening(words))
    .replace('</main>', '<section aria-label="State" id="states" class="tables"></section></main>')
}

const opening = (words: string) => `<div class="intro">
  <div>${words}</div>
  <div id="opener"></div>
</div>
<div id="transport"></div>
<section aria-label="The pipeline in event time" id="marbles"></section>`

/** The results on one side; on the other what the page says of them, and the pipeline, which can be scrolled with keys. */
async function withColumns(html: string, demo: string, note: string): Promise<string> {
  const file = new URL(`../../${demo}/pipeline.ts`, import.meta.url)
  const source = highlight(await readFile(file, 'utf8'), { lang: 'typescript' })
  // A function, since the source has a $ in it.
  return html.replace(
    /<ul>.*<\/ul>/s,
    (list) => `<div class="columns">
  <div id="panel" class="stack"></div>
  <div class="stack">
    <section class="card prose">
      <h2>What you see</h2>
      ${list}
    </section>
    <section class="card source">
      <header>
        <h2>pipeline.ts</h2>
        <span class="note">${note}</span>
      </header>
      <pre tabindex="0" role="region" aria-label="Source of the pipeline"><code id="source">${source}</code></pre>
    </section>
  </div>
</div>`,
  )
}
