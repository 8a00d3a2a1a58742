import { compile, type Evaluate, type Variable } from './expression.js'
import type { StoreKind, TopologyNode } from './format.js'
import { isObject, type Json } from './json.js'

/** A store as a node asks for it. */
export interface StoreFields {
  readonly name: string
  readonly kind: StoreKind
  readonly retentionMs: number | undefined
  readonly historyRetentionMs: number | undefined
}

/** Reads the fields of a node, or of an object within one: what is missing, of the wrong type or not asked for is an error. */
export class NodeFields {
  private readonly read = new Set<string>()

  constructor(
    private readonly fields: { readonly [name: string]: Json },
    /** For messages. */
    readonly place: string,
  ) {}

  static of(node: TopologyNode): NodeFields {
    const fields = new NodeFields(node, `node ${node.id} (${node.op})`)
    fields.text('id')
    fields.text('op')
    return fields
  }

  error(reason: string): Error {
    return new Error(`${this.place}: ${reason}`)
  }

  /** To be called when all has been read. */
  done(): void {
    const unknown = Object.keys(this.fields).filter((name) => !this.read.has(name))
    if (unknown.length > 0) throw this.error(`no such field: ${unknown.join(', ')}`)
  }

  text(name: string): string {
    const value = this.optionalText(name)
    if (value === undefined) throw this.error(`${name} is missing`)
    return value
  }

  optionalText(name: string): string | undefined {
    const value = this.take(name)
    if (value === undefined || typeof value === 'string') return value
    throw this.wrong(name, 'a string', value)
  }

  oneOf<T extends string>(name: string, known: readonly T[]): T {
    const value = this.text(name)
    if (known.includes(value as T)) return value as T
    throw this.wrong(name, `one of ${known.join(', ')}`, value)
  }

  integer(name: string): number {
    const value = this.optionalInteger(name)
    if (value === undefined) throw this.error(`${name} is missing`)
    return value
  }

  optionalInteger(name: string): number | undefined {
    const value = this.take(name)
    if (value === undefined || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0)) return value
    throw this.wrong(name, 'an integer of at least 0', value)
  }

  /** A name, or several. */
  texts(name: string): readonly string[] {
    const value = this.take(name)
    if (typeof value === 'string') return [value]
    if (Array.isArray(value) && value.every((part) => typeof part === 'string')) return value as readonly string[]
    throw this.wrong(name, 'the id of a node, or a list of such', value ?? null)
  }

  expression(name: string, known: readonly Variable[]): Evaluate {
    const value = this.take(name)
    if (value === undefined) throw this.error(`${name} is missing`)
    return this.compiled(name, value, known)
  }

  optionalExpression(name: string, known: readonly Variable[]): Evaluate | undefined {
    const value = this.take(name)
    return value === undefined ? undefined : this.compiled(name, value, known)
  }

  /** A list of objects, each with fields of its own. */
  list<T>(name: string, each: (item: NodeFields) => T): T[] {
    const value = this.take(name)
    if (!Array.isArray(value)) throw this.wrong(name, 'a list', value ?? null)
    return value.map((item, index) => this.within(`${name}[${index}]`, item, each))
  }

  optionalObject<T>(name: string, read: (fields: NodeFields) => T): T | undefined {
    const value = this.take(name)
    return value === undefined ? undefined : this.within(name, value, read)
  }

  store(): StoreFields {
    const store = this.optionalStore()
    if (store === undefined) throw this.error('store is missing')
    return store
  }

  optionalStore(): StoreFields | undefined {
    return this.optionalObject('store', (fields) => {
      // How Kafka Streams keeps it; ours is always kept.
      fields.take('persistent')
      return {
        name: fields.text('name'),
        kind: fields.oneOf('kind', ['keyValue', 'versioned', 'window', 'session']),
        retentionMs: fields.optionalInteger('retentionMs'),
        historyRetentionMs: fields.optionalInteger('historyRetentionMs'),
      }
    })
  }

  /** As it stands there; undefined if it doesn't. */
  take(name: string): Json | undefined {
    this.read.add(name)
    return Object.hasOwn(this.fields, name) ? this.fields[name] : undefined
  }

  private within<T>(name: string, value: Json, read: (fields: NodeFields) => T): T {
    if (!isObject(value)) throw this.wrong(name, 'an object', value)
    const fields = new NodeFields(value, `${this.place}, ${name}`)
    const result = read(fields)
    fields.done()
    return result
  }

  private compiled(name: string, value: Json, known: readonly Variable[]): Evaluate {
    try {
      return compile(value, known)
    } catch (error) {
      throw this.error(`${name}: ${(error as Error).message}`)
    }
  }

  private wrong(name: string, wanted: string, got: Json): Error {
    return this.error(`${name} must be ${wanted}, got ${JSON.stringify(got)}`)
  }
}
