/** As many of them as that, from the first on. */
export function* firstOf<T>(all: Iterable<T>, count: number): Generator<T> {
  let n = 0
  for (const one of all) {
    if (n++ >= count) return
    yield one
  }
}
