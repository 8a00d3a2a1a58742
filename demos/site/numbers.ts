import { element } from './element.js'

/** A row of figures under names, of which some are good or bad news. */
export class Numbers {
  readonly root: HTMLElement
  private readonly values = new Map<string, HTMLElement>()

  constructor(names: { readonly [name: string]: 'good' | 'bad' | 'warn' | '' }) {
    this.root = element('dl', { class: 'numbers' })
    for (const [name, news] of Object.entries(names)) {
      const value = element('dd', {}, '0')
      this.values.set(name, value)
      this.root.append(element('div', { class: news }, element('dt', {}, name), value))
    }
  }

  set(name: string, value: number | string): void {
    const shown = this.values.get(name) as HTMLElement
    shown.textContent = typeof value === 'number' ? value.toLocaleString('en') : value
  }
}
