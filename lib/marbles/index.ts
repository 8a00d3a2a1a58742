export { type MarbleView, type MarbleViewOptions, marbleView } from './marbleView.js'
export { type StateTable, type StateTableOptions, stateTable } from './stateTable.js'
