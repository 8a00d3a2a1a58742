/** An object for names that users choose: without a prototype, so that none is there before, whatever it is (`constructor`, `__proto__`). */
export const dictionary = <T>(...of: readonly { readonly [name: string]: T }[]): Record<string, T> =>
  Object.assign(Object.create(null), ...of)
