type Child = Node | string | number | undefined
type Attributes = { readonly [name: string]: string | number | boolean | undefined | ((event: any) => void) }

/** Makes an element: `on…` are listeners, other attributes are set, true without a value; false and undefined are left out. */
export function element<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[T] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(name.slice(2), value)
    else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : String(value))
  }
  made.append(
    ...children
      .filter((child): child is Node | string | number => child !== undefined)
      .map((child) => (child instanceof Node ? child : String(child))),
  )
  return made
}

/** The element with that id, which must be there. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`no element #${id}`)
  return found as T
}
