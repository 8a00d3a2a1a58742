// Of RxJS, what is safe between our operators.
export { concatMap, EMPTY, filter, from, map, merge, mergeMap, of, tap } from 'rxjs'
