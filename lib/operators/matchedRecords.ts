import type { Key } from '../record/key.js'
import type { StreamRecord } from '../record/record.js'
import { type RecordJson, recordFromJson, recordToJson } from '../record/recordJson.js'
import type { Step } from './pattern.js'

export type KeyedRecord = StreamRecord<Key, unknown>

/** A record that a partial match has taken: part of the state. */
export interface Taken {
  readonly step: number
  /** Its number among those that the key's partial matches have taken. */
  readonly number: number
  readonly record: RecordJson
}

/** The records of a match by step. */
export type Matched = { readonly [step: string]: KeyedRecord | readonly KeyedRecord[] }

/** What partial matches have taken, as predicates and users see it; made once of what is in the state. */
export class MatchedRecords {
  private readonly records = new WeakMap<RecordJson, KeyedRecord>()
  private readonly matched = new WeakMap<readonly Taken[], Matched>()

  constructor(private readonly steps: readonly Step[]) {}

  /** A record as the state holds it. */
  toState(record: KeyedRecord): RecordJson {
    const json = recordToJson(record)
    this.records.set(json, record)
    return json
  }

  recordOf({ record: json }: Taken): KeyedRecord {
    let record = this.records.get(json)
    if (record === undefined) {
      record = recordFromJson(json) as KeyedRecord
      this.records.set(json, record)
    }
    return record
  }

  /** By step, as far as it has come; a step that takes several begins as an empty list. */
  of(taken: readonly Taken[]): Matched {
    let matched = this.matched.get(taken)
    if (matched === undefined) {
      matched = this.byStep(taken)
      this.matched.set(taken, matched)
    }
    return matched
  }

  private byStep(taken: readonly Taken[]): Matched {
    const reached = taken[taken.length - 1]?.step ?? -1
    const found: [name: string, records: KeyedRecord | KeyedRecord[]][] = []
    this.steps.slice(0, reached + 2).forEach(({ name, isList }, index) => {
      const own = taken.filter(({ step }) => step === index).map((one) => this.recordOf(one))
      if (isList) found.push([name, own])
      else if (own[0] !== undefined) found.push([name, own[0]])
    })
    return Object.fromEntries(found)
  }
}
