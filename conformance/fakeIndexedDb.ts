/** Gives Node an IndexedDB, in memory. */
import 'fake-indexeddb/auto'
