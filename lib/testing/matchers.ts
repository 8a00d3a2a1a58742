import { type ExpectedRecord, fieldsLike, meets, recordText, sideBySide } from './recordText.js'

/** Matchers for `expect.extend`. */
export interface RecordMatchers<R> {
  /** The same records in the same order, compared in the fields that are given: key, value, timestamp, window, final… */
  toEqualRecords(expected: readonly ExpectedRecord[]): R
}

declare module 'expect' {
  interface Matchers<R extends void | Promise<void>, T = unknown> extends RecordMatchers<R> {}
}

declare global {
  namespace jest {
    // biome-ignore lint/complexity/noBannedTypes: an interface that is merged must repeat its parameters as they are
    interface Matchers<R, T = {}> extends RecordMatchers<R> {}
  }
}

/**
 * Matchers for Jest, and whatever else has `expect.extend`.
 *
 * ```ts
 * expect.extend(matchers)
 * expect(await t.records('totals')).toEqualRecords([{ key: 'alice', value: 5, window: { start: 0, end: 60_000 } }])
 * ```
 */
export const matchers = {
  toEqualRecords(received: unknown, expected: readonly ExpectedRecord[]): { pass: boolean; message(): string } {
    if (!Array.isArray(received))
      return { pass: false, message: () => `toEqualRecords wants an array, got ${received}` }
    const length = Math.max(received.length, expected.length)
    let first = 0
    while (
      first < length &&
      first in received &&
      first in expected &&
      meets(received[first], expected[first] as object)
    )
      first++
    const pass = first === length
    return {
      pass,
      message() {
        if (pass) return `not expected to be these ${length} records`
        const wanted = expected.map(recordText)
        const came = received.map((record, i) =>
          expected[i] !== undefined && meets(record, expected[i])
            ? (wanted[i] as string)
            : recordText(fieldsLike(record, expected[i])),
        )
        return `record ${first} is the first that differs (${received.length} came, ${expected.length} expected)\n\n${sideBySide(wanted, came)}`
      },
    }
  },
}
