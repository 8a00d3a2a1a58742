/** Decides what becomes of a call of a port: whether, and when, it happens. */
export type Around = <T>(operation: string, run: () => Promise<T>) => Promise<T>

/** A copy of a port's object that asks at each call of these methods; what else it has is as it was. */
export function around<T extends object>(to: T, name: string, methods: readonly (keyof T)[], ask: Around): T {
  return new Proxy(to, {
    get(_, property) {
      const member = Reflect.get(to, property)
      if (typeof member !== 'function') return member
      if (!methods.includes(property as keyof T)) return member.bind(to)
      return (...args: unknown[]) => ask(`${name}.${String(property)}`, () => member.apply(to, args))
    },
  })
}
