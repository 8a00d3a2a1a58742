import { byId, element } from '../site/element.js'
import { hash, setHash } from '../site/hash.js'
import { Theater } from '../site/theater.js'
import type { Editor } from './editor.js'
import { examples, recordings } from './examples.js'
import { packed, unpacked } from './link.js'
import { panel } from './panel.js'
import PipelineWorker from './worker.ts?worker'

const [select, run, stop, share] = (['example', 'run', 'stop', 'share'] as const).map((id) => byId(id)) as [
  HTMLSelectElement,
  HTMLButtonElement,
  HTMLButtonElement,
  HTMLButtonElement,
]
const tools = { compile: import('./compile.js'), editor: import('./editor.js') }

class Playground {
  private readonly theater: Theater
  private editor: Editor | undefined
  private recording: keyof typeof recordings | undefined
  private runs = 0

  constructor(private name: string) {
    this.theater = new Theater({
      panel: panel(byId('panel')),
      marbles: () => ({ span: this.example.span }),
      speed: this.example.speed,
      start: 400,
      failed: ({ line, message }) => this.editor?.mark(line, message),
      answers: (does) => this.say(does ? '' : 'The pipeline does not answer: an endless loop? Stop ends it.'),
    })
    select.append(...Object.entries(examples).map(([name, { title }]) => element('option', { value: name }, title)))
    select.value = name
    select.onchange = () => this.choose(select.value)
    run.onclick = () => this.run()
    stop.onclick = () => this.stop()
    share.onclick = () => this.share()
  }

  private get example() {
    return examples[this.name] as (typeof examples)[string]
  }

  /** In the editor, or before that is there. */
  private get code(): string {
    return this.editor?.code ?? byId('plain').textContent ?? ''
  }

  private show(code: string): void {
    if (this.editor === undefined) byId('plain').textContent = code
    else this.editor.code = code
  }

  /** @param shared the code that an address brings along: it is shown, but whoever has followed the link decides whether it runs */
  async open(shared: string | undefined): Promise<void> {
    const code = shared ?? (await this.example.code())
    this.show(code)
    if (shared === undefined) await this.run()
    else this.say('This pipeline came with the link. Have a look at it, then run it.')
    const { editor } = await tools.editor
    const shown = this.code
    byId('plain').remove()
    this.editor = editor(
      byId('editor'),
      shown,
      () => this.run(),
      () => this.say(''),
    )
  }

  private async choose(name: string): Promise<void> {
    this.name = name
    const code = await this.example.code()
    if (name !== this.name) return
    this.show(code)
    history.replaceState(null, '', `#example=${name}`)
    await this.run()
  }

  private async run(): Promise<void> {
    this.editor?.mark(undefined, '')
    this.theater.forgive()
    const run = ++this.runs
    const { compile, BadCode } = await tools.compile
    if (run !== this.runs) return
    const { code } = this
    let script: string
    try {
      script = compile(code)
    } catch (error) {
      if (!(error instanceof BadCode)) throw error
      this.editor?.mark(error.line, error.message)
      return this.theater.fail({ code: undefined, message: error.message, line: error.line })
    }
    this.say('')
    this.theater.use(new PipelineWorker(), script)
    stop.disabled = false
    const { recording } = this.example
    if (recording === this.recording) return this.theater.reopen()
    this.recording = recording
    const { url, title } = recordings[recording]
    await this.theater.fetch(url, `recorded ${title}`)
  }

  private stop(): void {
    this.runs++
    this.theater.player.stop()
    stop.disabled = true
    this.say('Stopped.')
  }

  private async share(): Promise<void> {
    setHash('example', this.name)
    setHash('code', await packed(this.code))
    await navigator.clipboard.writeText(location.href)
    this.say('The link is in your clipboard.')
  }

  private say(text: string): void {
    byId('said').textContent = text
  }
}

const given = hash()
const name = given.get('example') ?? 'tumbling'
const playground = new Playground(name in examples ? name : 'tumbling')
const code = given.get('code')
await playground.open(code === null ? undefined : await unpacked(code))
