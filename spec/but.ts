/** What another object does, but for these. */
export function but<T extends object>(to: T, own: Partial<T>): T {
  return new Proxy(to, {
    get(_, name) {
      if (name in own) return Reflect.get(own, name)
      const member = Reflect.get(to, name)
      return typeof member === 'function' ? member.bind(to) : member
    },
  })
}
