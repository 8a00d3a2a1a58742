import { element } from './element.js'

const MAX_SHOWN = 8

/** A list of what has come out last, the newest first. */
export class Newest<T> {
  readonly root = element('div')
  private readonly list = element('ol', { class: 'feed' })
  private readonly empty: HTMLElement
  private all: T[] = []
  private drawn: readonly T[] = []
  private readonly items = new Map<T, HTMLElement>()

  constructor(
    private readonly item: (value: T) => HTMLElement,
    nothing: string,
  ) {
    this.empty = element('p', { class: 'empty' }, nothing)
    this.root.append(this.empty, this.list)
  }

  reset(): void {
    this.all = []
  }

  add(value: T): void {
    this.all.push(value)
    if (this.all.length > 4 * MAX_SHOWN) this.all = this.all.slice(-MAX_SHOWN)
  }

  draw(): void {
    const shown = this.all.slice(-MAX_SHOWN).reverse()
    if (shown.length === this.drawn.length && shown.every((value, n) => value === this.drawn[n])) return
    this.drawn = shown
    for (const value of this.items.keys()) if (!shown.includes(value)) this.items.delete(value)
    // Those that stay are left where they are: what has just come stands out.
    for (const value of shown) if (!this.items.has(value)) this.items.set(value, this.item(value))
    const items = shown.map((value) => this.items.get(value) as HTMLElement)
    for (const child of [...this.list.children]) if (!items.includes(child as HTMLElement)) child.remove()
    items.forEach((item, n) => {
      if (this.list.children[n] !== item) this.list.insertBefore(item, this.list.children[n] ?? null)
    })
    this.empty.hidden = shown.length > 0
  }
}
