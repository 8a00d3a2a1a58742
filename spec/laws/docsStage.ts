import type { Observable } from 'rxjs'
import type { App, Broker, StoreAdapter, StreamRecord, Table } from 'tidemark'
import type { RecordedRecord, Recording } from 'tidemark/replay'
import type { TestApp } from 'tidemark/testing'

// What the examples of the documentation may use without saying where it comes from.

export interface Order {
  readonly userId: string
  readonly product: string
  readonly amount: number
  /** Event time, ms since the epoch. */
  readonly time: number
}

export interface Shipment {
  readonly carrier: string
}

export interface User {
  readonly name: string
  readonly tier: string
}

export interface Product {
  readonly title: string
  readonly vendorId: string
}

export interface Vendor {
  readonly name: string
}

export interface Click {
  readonly page: string
}

export declare const app: App
export declare const orders: Observable<StreamRecord<string, Order>>
export declare const refunds: Observable<StreamRecord<string, Order>>
export declare const shipments: Observable<StreamRecord<string, Shipment>>
export declare const clicks: Observable<StreamRecord<string, Click>>
export declare const users: Table<string, User>
export declare const products: Table<string, Product>
export declare const vendors: Table<string, Vendor>
export declare function buildV2(next: App): void
export declare function lookUp(user: string): Promise<User>

// In docs/getting-started.md, whose steps are parts of one file.
export declare const purchases: readonly Order[]
export declare const past: Observable<StreamRecord<string, Order>>
export declare function send<V>(
  topic: string,
  records: readonly { key: string; value: V; timestamp: number }[],
): Promise<void>

// In the examples of tidemark/testing.
export declare const t: TestApp<unknown>
export declare const input: StreamRecord<string, number>[]
export declare const options: object
export declare function myBroker(options: object): Broker
export declare function myStore(folder: string): StoreAdapter
export declare function newFolder(): string
export declare function folderOf(store: StoreAdapter): string

// In the examples of tidemark/replay.
export declare const file: File
export declare const dropZone: HTMLElement
export declare const recording: Recording
export declare const recorded: RecordedRecord[]
export declare const fraud: (app: App) => void
export declare const broker: Broker
