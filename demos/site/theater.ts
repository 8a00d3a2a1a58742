import { type MarbleViewOptions, type StateTableOptions, stateTable } from 'tidemark/marbles'
import { byId, element } from './element.js'
import { fileDrop } from './fileDrop.js'
import { hash, setHash } from './hash.js'
import { markedView } from './markedView.js'
import type { Failed, Opened } from './messages.js'
import { type Panel, Player, type Scene, type Viewer } from './player.js'
import { Transport } from './transport.js'

/** After which the address says where it stands. */
const REST_MS = 200

type Shown = Viewer & { destroy(): void }

/** A state to show, under a title. */
export interface ShownState extends StateTableOptions {
  readonly title: string
}

export interface TheaterOptions {
  readonly panel: Panel
  marbles(): MarbleViewOptions
  /** Default: all, as they come. */
  readonly states?: readonly ShownState[]
  /** Recorded time per time, at first. */
  readonly speed: number
  /** The record that the page opens at. */
  readonly start: number
  failed?(failure: Failed): void
  /** The pipeline has stopped, or begun, to answer. */
  answers?(does: boolean): void
}

/** Fills a page: the controls, the marbles, the states, and what has come out, of a pipeline in a worker. */
export class Theater {
  readonly player: Player
  private readonly transport: Transport
  private readonly error = element('p', { class: 'error', role: 'alert', hidden: true })
  private readonly file = element('span', { class: 'note' })
  private viewers: readonly Shown[] = []
  private last: { readonly file: Blob; readonly name: string } | undefined
  private begins: number
  private rests: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly options: TheaterOptions) {
    this.begins = options.start
    this.player = new Player({
      panel: options.panel,
      opened: (opened) => this.opened(opened),
      draw: (scene) => {
        this.transport.draw(scene)
        document.documentElement.dataset.index = String(scene.index)
        document.documentElement.dataset.state = scene.state
        this.address(scene)
      },
      failed: (failure) => {
        this.fail(failure)
        options.failed?.(failure)
      },
      answers: (does) => options.answers?.(does),
    })
    this.transport = new Transport(this.player, options.speed)
    const drop = fileDrop((file) => {
      this.forgive()
      this.begins = 0
      this.open(file, file.name)
    })
    byId('transport').append(this.transport.root, this.error)
    byId('opener').append(drop, this.file)
    addEventListener('hashchange', () => {
      const at = placeInHash()
      if (at !== undefined && at !== this.player.scene?.index) this.transport.seek(at)
    })
    // For whoever opens the console.
    Object.assign(globalThis, { player: this.player })
  }

  /** Opens a recording, under a name. */
  open(file: Blob, name: string): void {
    this.last = { file, name }
    this.file.textContent = name
    this.player.send({ type: 'open', file })
  }

  /** Opens the recording that the page comes with. */
  async fetch(url: string, name: string): Promise<void> {
    const response = await fetch(url)
    if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`)
    this.open(await response.blob(), name)
  }

  /** Another pipeline, which opens the next recording at the same place. With its text, if the worker needs it. */
  use(worker: Worker, code?: string): void {
    // One that has failed or hung at once has left it at the beginning.
    this.begins = this.player.scene?.index || this.begins
    this.player.use(worker)
    if (code !== undefined) this.player.send({ type: 'load', code })
  }

  /** The same recording again. */
  reopen(): void {
    if (this.last !== undefined) this.open(this.last.file, this.last.name)
  }

  fail({ code, message, line }: Omit<Failed, 'type'>): void {
    const place = line === undefined ? '' : `Line ${line}: `
    this.error.textContent = `${place}${code === undefined ? '' : `${code}: `}${message}`
    this.error.hidden = false
  }

  /** Takes back what was said of an error. */
  forgive(): void {
    this.error.hidden = true
  }

  /** Browsers take it ill if the address changes all the time. */
  private address({ state, index }: Scene): void {
    clearTimeout(this.rests)
    if (state === 'paused' && index > 0) this.rests = setTimeout(() => setHash('at', String(index)), REST_MS)
  }

  private opened(opened: Opened): readonly Viewer[] {
    const { marbles, states } = this.options
    for (const viewer of this.viewers) viewer.destroy()
    const view = markedView(fresh('marbles'), marbles())
    const host = fresh('states')
    const tables = states?.map((state) => shownState(host, state)) ?? [allStates(host)]
    this.viewers = [view, ...tables]
    this.transport.opened(opened)
    const at = placeInHash()
    this.transport.seek(Math.min(opened.size, at ?? this.begins))
    const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches
    if (at === undefined && !isCalm) this.player.send({ type: 'play' })
    return this.viewers
  }
}

/** A new child of the element with that id, in place of what was there. */
function fresh(id: string): HTMLElement {
  const host = element('div')
  byId(id).replaceChildren(host)
  return host
}

function shownState(host: HTMLElement, { title, ...options }: ShownState): Shown {
  const place = element('div')
  host.append(place)
  return { forgets: true, ...stateTable(place, { label: title, ...options }) }
}

/** A table for each state of which it is told. */
function allStates(host: HTMLElement): Shown {
  const tables = new Map<string, Shown>()
  const each = (what: (table: Shown) => void) => {
    for (const table of tables.values()) what(table)
  }
  return {
    forgets: true,
    add(event) {
      if (event.type !== 'state') return
      const { state } = event
      const table = tables.get(state) ?? shownState(host, { state, title: `State ${state}` })
      tables.set(state, table)
      table.add(event)
    },
    truncate: (id) => each((table) => table.truncate(id)),
    destroy: () => each((table) => table.destroy()),
  }
}

/** `#at=412`: a link to a place in the recording. */
function placeInHash(): number | undefined {
  const at = Number(hash().get('at') ?? Number.NaN)
  return Number.isInteger(at) && at >= 0 ? at : undefined
}
