import { element } from './element.js'

/** What one cell shows. */
type Cell = readonly (Node | string | number)[]
/** The first cell heads the row. */
export type Row = readonly [head: string, ...cells: Cell[]]

/** A table whose rows are drawn anew. */
export class Table {
  readonly root: HTMLElement
  private readonly rows = element('tbody')

  constructor(headings: readonly string[], headClass?: string) {
    const heads = headings.map((text) => element('th', { scope: 'col' }, text))
    this.root = element(
      'div',
      { class: 'scroll' },
      element('table', {}, element('thead', { class: headClass }, element('tr', {}, ...heads)), this.rows),
    )
  }

  draw(rows: readonly Row[]): void {
    this.rows.replaceChildren(
      ...rows.map(([head, ...cells]) =>
        element('tr', {}, element('th', { scope: 'row' }, head), ...cells.map((cell) => element('td', {}, ...cell))),
      ),
    )
  }
}
