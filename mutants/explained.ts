/** Mutants that no test can tell from the code, and why. Known by their code, as lines move. */
export interface Explained {
  readonly file: string
  /** The line, as it stands. */
  readonly code: string
  readonly changes: readonly string[]
  readonly reason: string
}

const NO_OUTPUT = 'what is emitted to an output that nobody reads, or that is none, goes nowhere'
const UNUSED_TIMESTAMP = 'the timestamp of an entry that has a place of its own, or holds a time, is not looked at'
const SAME_VALUE = 'at equal numbers it would only be set to what it is'
const SAME_ROW = 'it is the same row, looked up once more; its value would stay in memory, where values may leave it'
const SPARED = 'spares work of which nobody would see the result'

export const explained: readonly Explained[] = [
  {
    file: 'lib/windows/alignedStrategy.ts',
    code: 'if (isTumbling) {',
    changes: ['isTumbling to false'],
    reason: 'the way of hopping windows finds the one window too, a little slower',
  },
  {
    file: 'lib/windows/alignedStrategy.ts',
    code: 'if (window.start !== start) {',
    changes: ['window.start !== start to true'],
    reason: 'the window is found again, a little slower',
  },
  {
    file: 'lib/windows/emission.ts',
    code: 'return this.outlet.hasChanges ? this.outlet.resultOf(cell.value) : null',
    changes: ['this.outlet.hasChanges to true'],
    reason: SPARED,
  },
  {
    file: 'lib/windows/finals.ts',
    code: "if (everyMs !== undefined || early !== undefined) this.told = context.cells('told')",
    changes: ['everyMs !== undefined || early !== undefined to true'],
    reason: 'nothing is ever put into it where results come on close only',
  },
  {
    file: 'lib/windows/outlet.ts',
    code: 'if (!this.hasChanges) return',
    changes: ['!this.hasChanges to false', 'without return'],
    reason: NO_OUTPUT,
  },
  {
    file: 'lib/windows/resolveWindows.ts',
    code: 'const isClosedKept = emission.onClose && keptForMs > closesAfterMs',
    changes: ['&& to || in emission.onClose && keptForMs > closesAfterMs', '> to >= in keptForMs > closesAfterMs'],
    reason: 'closed windows are then kept for no time: they go in the step in which they come',
  },
  {
    file: 'lib/windows/resolveWindows.ts',
    code: ': isClosedKept',
    changes: ['isClosedKept to true'],
    reason: 'closed windows are then kept for no time: they go in the step in which they come',
  },
  {
    file: 'lib/windows/resolveWindows.ts',
    code: 'if (end !== firstEnd) {',
    changes: ['end !== firstEnd to true'],
    reason: SPARED,
  },
  {
    file: 'lib/windows/resolveWindows.ts',
    code: 'firstEnd = end',
    changes: ['without firstEnd = end'],
    reason: SPARED,
  },
  {
    file: 'lib/windows/resolveWindows.ts',
    code: 'if (late !== undefined) context.emitTo(late, record)',
    changes: ['late !== undefined to true'],
    reason: NO_OUTPUT,
  },
  {
    file: 'lib/windows/rollingAggregate.ts',
    code: 'sideOutputs: options.late === undefined ? [] : [options.late],',
    changes: ['options.late === undefined to false'],
    reason: NO_OUTPUT,
  },
  {
    file: 'lib/windows/rollingAggregate.ts',
    code: 'if (late !== undefined) context.emitTo(late, record)',
    changes: ['late !== undefined to true'],
    reason: NO_OUTPUT,
  },
  {
    file: 'lib/windows/rollingAggregate.ts',
    code: 'const previous = context.hasOutput(changes) ? resultOf(cell) : undefined',
    changes: ['context.hasOutput(changes) to true'],
    reason: SPARED,
  },
  {
    file: 'lib/windows/rollingFold.ts',
    code: 'export const emptyRolling = (): Rolling => ({ kept: [], acc: null, removals: 0 })',
    changes: ['0 to 1'],
    reason: 'it counts anew from the first accumulator on',
  },
  {
    file: 'lib/tables/groupChange.ts',
    code: 'bytes[0] = (old === undefined ? 0 : OLD) | (fresh === undefined ? 0 : NEW)',
    changes: ['0 to 1 #3'],
    reason: 'where there is no new value there is an old one, which sets that bit',
  },
  {
    file: 'lib/tables/resultRows.ts',
    code: 'if (end === undefined) return false',
    changes: ['false to true'],
    reason: 'it finds nothing to free four times instead of once',
  },
  {
    file: 'lib/tables/resultRows.ts',
    code: 'if (this.isBacked(row)) return false',
    changes: ['false to true'],
    reason: 'it finds the same row in use four times instead of once',
  },
  {
    file: 'lib/tables/rows.ts',
    code: "if (typeof row !== 'object' || row.length !== 4 || row[3] !== WINDOW) return { key: row, window: undefined }",
    changes: ["|| to && in typeof row !== 'object' || row.length !== 4"],
    reason: 'what is no list has no fourth part that is the mark',
  },
  {
    file: 'lib/tables/suppress.ts',
    code: 'if (waiting.size <= maxRecords) return',
    changes: ['waiting.size <= maxRecords to false', '<= to < in waiting.size <= maxRecords', 'without return'],
    reason: 'what is due comes out right after the record in any case',
  },
  {
    file: 'lib/tables/tableGroupBy.ts',
    code: "send({ key: group, value, timestamp, topic: '', partition: task.partition, offset: 0, headers: NO_HEADERS })",
    changes: ['0 to 1'],
    reason: 'the internal topic gives it another offset',
  },
  {
    file: 'lib/tables/toTable.ts',
    code: 'if (ttlMs !== undefined) {',
    changes: ['ttlMs !== undefined to true'],
    reason: 'without a time to live nothing is late by it, and nothing fires',
  },
  {
    file: 'lib/tables/rowReader.ts',
    code: 'const present = entry.isGone ? rows.get(row) : entry',
    changes: ['entry.isGone to true'],
    reason: SAME_ROW,
  },
  {
    file: 'lib/tables/versionedRows.ts',
    code: 'return series.lastUntil(cell.key, Number.POSITIVE_INFINITY) !== cell || isDelete(cell)',
    changes: ['Number.POSITIVE_INFINITY to Number.NEGATIVE_INFINITY'],
    reason: SAME_ROW,
  },
  {
    file: 'lib/tables/versionedRows.ts',
    code: 'for (const cell of this.series.lasts()) if (!isDelete(cell)) yield [cell.key, cell.at]',
    changes: ['!isDelete(cell) to true'],
    reason: 'the expiry of a row that is gone lies in the heap, and never comes up',
  },
  {
    file: 'lib/tables/versionedRows.ts',
    code: 'const isDelete = (cell: SeriesCell<unknown>) => cell.isCold !== true && cell.value === null',
    changes: ['true to false'],
    reason: 'null never leaves memory: the value of a cold version is read from the store, and is none',
  },
  {
    file: 'lib/tables/versionedRows.ts',
    code: 'cell = this.series.insert(row, timestamp, value, 0)',
    changes: ['0 to 1'],
    reason: UNUSED_TIMESTAMP,
  },
  {
    file: 'lib/tables/versionedRows.ts',
    code: 'return until < Number.POSITIVE_INFINITY ? [{ until, cell }] : []',
    changes: ['until < Number.POSITIVE_INFINITY to true', '< to <= in until < Number.POSITIVE_INFINITY'],
    reason: 'a version that is needed for ever lies in the heap, and never comes up',
  },
  {
    file: 'lib/tables/watchRow.ts',
    code: 'watched?.subscribers.delete(subscriber)',
    changes: ['without watched?.subscribers.delete(subscriber)'],
    reason: 'who has left is told nothing in any case: this is about memory',
  },
  {
    file: 'lib/tables/watchRow.ts',
    code: 'if (watched?.subscribers.size === 0) this.byRow.delete(identity)',
    changes: ['watched?.subscribers.size === 0 to false', 'without this.byRow.delete(identity)'],
    reason: 'nobody is told of a row that nobody watches: this is about memory',
  },
  {
    file: 'lib/tables/watchRow.ts',
    code: 'if (this.byRow.size > 0) return',
    changes: ['this.byRow.size > 0 to true', '> to >= in this.byRow.size > 0', '0 to 1'],
    reason: 'looking on goes on, or begins anew with the next watcher, and tells the same',
  },
  {
    file: 'lib/tables/watchRow.ts',
    code: 'this.leave?.()',
    changes: ['without this.leave?.()'],
    reason: 'looking on where nobody watches tells nobody: this is about time and memory',
  },
  {
    file: 'lib/joins/foreignKeyJoin.ts',
    code: 'const needs = () => ({ rows: true, previous: true })',
    changes: ['true to false'],
    reason: 'a table that knows what was before keeps its rows',
  },
  {
    file: 'lib/joins/foreignKeyJoin.ts',
    code: 'if (version < 0) {',
    changes: ['< to <= in version < 0', '0 to 1'],
    reason: 'versions count from 1',
  },
  {
    file: 'lib/joins/foreignKeyJoin.ts',
    code: 'return',
    changes: ['without return'],
    reason: 'no row has a negative version, so nothing follows',
  },
  {
    file: 'lib/joins/foreignKeyMessages.ts',
    code: 'const head = utf8.decode(colon < 0 ? bytes : bytes.subarray(0, colon))',
    changes: ['< to <= in colon < 0', '0 to 1'],
    reason: 'a version stands before the colon, so that it is never the first',
  },
  {
    file: 'lib/joins/foreignKeyMessages.ts',
    code: 'return { version, row: colon < 0 ? null : row.deserialize(bytes.subarray(colon + 1)), isQuiet }',
    changes: ['< to <= in colon < 0', '0 to 1'],
    reason: 'a version stands before the colon, so that it is never the first',
  },
  {
    file: 'lib/joins/foreignKeys.ts',
    code: "const version = (counter.get('version') ?? 0) + 1",
    changes: ['0 to 1', '1 to 2'],
    reason: 'versions are positive and told apart; which they are makes no difference',
  },
  {
    file: 'lib/joins/globalTableJoin.ts',
    code: '{ untimed: tableInput === undefined ? [] : [tableInput] },',
    changes: ['tableInput === undefined to false'],
    reason: 'there is no input of that number',
  },
  {
    file: 'lib/joins/graceBuffer.ts',
    code: 'waiting.insert(key, timestamp, recordToJson(record), 0)',
    changes: ['0 to 1'],
    reason: UNUSED_TIMESTAMP,
  },
  {
    file: 'lib/joins/joinSide.ts',
    code: 'this.newest = times.cell(name) ?? times.insert(name, Number.NEGATIVE_INFINITY, 0)',
    changes: ['0 to 1'],
    reason: UNUSED_TIMESTAMP,
  },
  {
    file: 'lib/joins/joinSide.ts',
    code: 'if (timestamp > this.newest.value && !this.context.hasWatermark) {',
    changes: ['> to >= in timestamp > this.newest.value'],
    reason: SAME_VALUE,
  },
  {
    file: 'lib/joins/joinStreams.ts',
    code: 'else side.lonely.insert(key, timestamp, value, 0)',
    changes: ['0 to 1'],
    reason: UNUSED_TIMESTAMP,
  },
  {
    file: 'lib/joins/joinStreams.ts',
    code: 'side.records.insert(key, timestamp, value, 0)',
    changes: ['0 to 1'],
    reason: UNUSED_TIMESTAMP,
  },
  {
    file: 'lib/joins/joinTime.ts',
    code: "this.newest = times.cell('all') ?? times.insert('all', Number.NEGATIVE_INFINITY, 0)",
    changes: ['0 to 1'],
    reason: UNUSED_TIMESTAMP,
  },
  {
    file: 'lib/joins/joinTime.ts',
    code: 'else if (timestamp > this.newest.value) {',
    changes: ['> to >= in timestamp > this.newest.value'],
    reason: SAME_VALUE,
  },
  {
    file: 'lib/joins/subscribers.ts',
    code: 'if (cell === undefined) {',
    changes: ['cell === undefined to true'],
    reason: 'another cell takes the place of the first, for the same entry',
  },
  {
    file: 'lib/joins/subscribers.ts',
    code: 'cell = this.state.insert([right, left], version, 0)',
    changes: ['0 to 1'],
    reason: UNUSED_TIMESTAMP,
  },
  {
    file: 'lib/joins/subscribers.ts',
    code: 'if (pointing.cells.size === 0) this.byRight.delete(keyIdentity(right))',
    changes: ['pointing.cells.size === 0 to false', 'without this.byRight.delete(keyIdentity(right))'],
    reason: 'an empty entry tells nobody: this is about memory',
  },
  {
    file: 'lib/joins/subscribers.ts',
    code: 'if (cell !== undefined) this.state.remove(cell)',
    changes: ['cell !== undefined to true'],
    reason: 'whoever leaves has been there',
  },
  {
    file: 'lib/tables/resultRows.ts',
    code: 'this.byEnd.delete(end)',
    changes: ['without this.byEnd.delete(end)'],
    reason: 'a window that has been let go does not come back: this is about memory',
  },
  {
    file: 'lib/windows/slidingStrategy.ts',
    code: 'const near = startingBetween(record, 0, timestamp + 1)',
    changes: ['1 to 2'],
    reason: 'windows that start later are passed over',
  },
  {
    file: 'lib/windows/slidingStrategy.ts',
    code: 'const near = startingBetween(record, Math.max(0, left - differenceMs), timestamp + 1)',
    changes: ['1 to 2'],
    reason: 'windows that start later are passed over',
  },
  {
    file: 'lib/windows/ticks.ts',
    code: 'if (tick >= this.next) return',
    changes: ['>= to > in tick >= this.next'],
    reason: SPARED,
  },
  {
    file: 'lib/windows/ticks.ts',
    code: 'if (this.speaking.length === 0) this.next = this.earliest()',
    changes: ['this.speaking.length === 0 to true'],
    reason: 'those that have yet to speak still wait for the same tick',
  },
  {
    file: 'lib/windows/windowResults.ts',
    code: 'if (this.emission.onClose) this.closing = cells.toReversed()',
    changes: ['this.emission.onClose to true'],
    reason: 'windows that say nothing on close are then freed key by key, and not at one stroke',
  },
  {
    file: 'lib/windows/windowsByStart.ts',
    code: 'if (this.asked.start !== start) this.asked = { start, end: start + this.sizeMs }',
    changes: ['this.asked.start !== start to true'],
    reason: SPARED,
  },
  {
    file: 'lib/operators/aggregateKeys.ts',
    code: 'if (cell.timestamp < timestamp) cell.timestamp = timestamp',
    changes: ['< to <= in cell.timestamp < timestamp'],
    reason: SAME_VALUE,
  },
  {
    file: 'lib/operators/aggregateKeys.ts',
    code: 'if (hasChanges()) context.emitTo(changes, { key, value, previous, timestamp, window: undefined, isLatest: true })',
    changes: ['hasChanges() to true'],
    reason: NO_OUTPUT,
  },
  {
    file: 'lib/operators/aggregation.ts',
    code: 'coPartitioned: inputs.length > 1,',
    changes: ['> to >= in inputs.length > 1', '1 to 0'],
    reason: 'one input always agrees with itself',
  },
  {
    file: 'lib/operators/aggregation.ts',
    code: 'needs: (_, own): Needs => ({ rows: own.rows, previous: false }),',
    changes: ['false to true'],
    reason: 'an aggregate knows what was before in any case',
  },
  {
    file: 'lib/operators/inputTimes.ts',
    code: 'if (timestamp > (times.get(input) ?? Number.NEGATIVE_INFINITY)) times.put(input, timestamp)',
    changes: ['> to >= in timestamp > (times.get(input) ?? Number.NEGATIVE_INFINITY)'],
    reason: SAME_VALUE,
  },
  {
    file: 'lib/operators/inputTimes.ts',
    code: 'if (now > this.closedUpTo) {',
    changes: ['now > this.closedUpTo to true', '> to >= in now > this.closedUpTo'],
    reason: SPARED,
  },
  {
    file: 'lib/operators/inputTimes.ts',
    code: 'this.closedUpTo = now',
    changes: ['without this.closedUpTo = now'],
    reason: SPARED,
  },
]
