/** What the address says after the #, by name. */
export const hash = () => new URLSearchParams(location.hash.slice(1))

/** Writes it there, with no new step to go back to. */
export function setHash(name: string, value: string): void {
  const all = hash()
  if (all.get(name) === value) return
  all.set(name, value)
  history.replaceState(null, '', `#${all}`)
}
