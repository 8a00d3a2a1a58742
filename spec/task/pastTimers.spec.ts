import { expect, test } from '@jest/globals'
import { of } from 'rxjs'
import { process as processed, record, type StreamRecord, withWatermark } from 'tidemark'

type Numbered = StreamRecord<string, string>

/** What comes out, with the records that bring it out in between. */
function fired(timestamps: readonly number[], marked: boolean, chain = 0): string[] {
  const seen: string[] = []
  const source = of(...timestamps.map((timestamp) => record('k', 'in', timestamp)))
  const timed = processed<Numbered, Numbered>(({ timers, emit }) => ({
    record: ({ timestamp, key }) => {
      seen.push(`in ${timestamp}`)
      timers.at(timestamp + 3, key)
    },
    timer: (timestamp, key) => {
      emit(record(key as string, 'timer', timestamp))
      if (timestamp < chain) timers.at(timestamp + 3, key)
    },
  }))
  const stream = marked ? source.pipe(withWatermark({ maxOutOfOrderness: 0 }), timed) : source.pipe(timed)
  stream.subscribe(({ timestamp }) => seen.push(`timer ${timestamp}`))
  return seen
}

test.each([true, false])(
  'a timer that a late record sets in the past fires right after it (watermark: %s)',
  (marked) => {
    expect(fired([100, 10, 101], marked)).toEqual(['in 100', 'in 10', 'timer 13', 'in 101', 'timer 103', 'timer 104'])
  },
)

test.each([true, false])('and what it sets in turn, as far as time is (watermark: %s)', (marked) => {
  expect(fired([20, 10, 21], marked, 21)).toEqual([
    'in 20',
    'in 10',
    'timer 13',
    'timer 16',
    'timer 19',
    'in 21',
    'timer 22',
    'timer 23',
    'timer 24',
  ])
})
