import { compareKeys } from '../record/key.js'
import { type HeldUntil, WindowsByEnd } from './windowsByEnd.js'

/** Windows that may end together and begin apart: by end, then start, then key. */
export class SessionsByEnd extends WindowsByEnd {
  override takeFirst(): readonly HeldUntil[] {
    const cells = [...super.takeFirst()]
    while (this.firstEnd() === cells[0]?.at) cells.push(...super.takeFirst())
    return cells.sort((a, b) => a.seq - b.seq || compareKeys(a.key, b.key))
  }
}
