import { element } from './element.js'

/** Lets files be dropped on the page, or chosen. Returns the button for that. */
export function fileDrop(take: (file: File) => void): HTMLElement {
  const input = element('input', {
    type: 'file',
    accept: '.jsonl,.gz,application/gzip',
    hidden: true,
    onchange: () => {
      for (const file of [...(input.files ?? [])].slice(0, 1)) take(file)
      input.value = ''
    },
  })
  const curtain = element(
    'div',
    { class: 'curtain', hidden: true },
    element('p', {}, 'Drop a recording: .jsonl or .jsonl.gz'),
  )
  document.body.append(curtain)
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true
  addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return
    event.preventDefault()
    curtain.hidden = false
  })
  addEventListener('dragleave', ({ relatedTarget }) => {
    if (relatedTarget === null) curtain.hidden = true
  })
  addEventListener('drop', (event) => {
    if (!hasFiles(event)) return
    event.preventDefault()
    curtain.hidden = true
    const file = event.dataTransfer?.files[0]
    if (file !== undefined) take(file)
  })
  return element(
    'span',
    {},
    input,
    element('button', { type: 'button', onclick: () => input.click() }, 'Open a recording…'),
  )
}
