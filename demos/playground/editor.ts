import { javascript } from '@codemirror/lang-javascript'
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { lintGutter, setDiagnostics } from '@codemirror/lint'
import { Prec } from '@codemirror/state'
import { EditorView, keymap } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { basicSetup } from 'codemirror'

export interface Editor {
  code: string
  /** Marks a line, until the next call; undefined: none. */
  mark(line: number | undefined, message: string): void
}

const theme = EditorView.theme({
  '&': { height: '100%', backgroundColor: 'var(--sunk)', color: 'var(--ink)', fontSize: '0.82rem' },
  '&.cm-focused': { outline: '2px solid var(--tide)' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55' },
  '.cm-content': { caretColor: 'var(--ink)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '.cm-gutters': { backgroundColor: 'var(--sunk)', color: 'var(--soft)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in srgb, var(--tide) 8%, transparent)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--tide-soft) !important' },
  '.cm-tooltip, .cm-panels': { backgroundColor: 'var(--card)', color: 'var(--ink)', border: '1px solid var(--line)' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--tide)', color: 'var(--on-tide)' },
})

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: 'var(--sh-keyword)' },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: 'var(--sh-string)' },
  { tag: [tags.typeName, tags.className, tags.number, tags.bool, tags.null], color: 'var(--sh-class)' },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName)], color: 'var(--sh-entity)' },
  { tag: tags.propertyName, color: 'var(--sh-property)' },
  { tag: tags.comment, color: 'var(--sh-comment)' },
  { tag: [tags.punctuation, tags.operator], color: 'var(--sh-sign)' },
])

/** An editor for TypeScript in that element. Ctrl-Enter runs. */
export function editor(parent: HTMLElement, code: string, run: () => void, changed: () => void): Editor {
  const runs = () => {
    run()
    return true
  }
  const view = new EditorView({
    parent,
    doc: code,
    extensions: [
      Prec.highest(keymap.of([{ key: 'Mod-Enter', run: runs }])),
      basicSetup,
      javascript({ typescript: true }),
      theme,
      syntaxHighlighting(colours),
      lintGutter(),
      EditorView.contentAttributes.of({ 'aria-label': 'The pipeline, in TypeScript', tabindex: '0' }),
      EditorView.updateListener.of(({ docChanged }) => {
        if (docChanged) changed()
      }),
    ],
  })
  return {
    get code() {
      return view.state.doc.toString()
    },
    set code(text) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, scrollIntoView: true })
      view.scrollDOM.scrollTop = 0
    },
    mark(line, message) {
      const { doc } = view.state
      const { from, to } = doc.line(Math.min(Math.max(1, line ?? 1), doc.lines))
      view.dispatch(setDiagnostics(view.state, line === undefined ? [] : [{ from, to, severity: 'error', message }]))
    },
  }
}
