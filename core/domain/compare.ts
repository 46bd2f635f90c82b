/** The order of two states of one request. */
import { isFinal, type RequestRecord, type StatePosition } from './record.ts'

/** Newer means greater by (`version`, `updated_at`). Everything that displays a request uses this order. */
export const isNewer = (
  a: Pick<StatePosition, 'version' | 'updated_at'>,
  b: Pick<StatePosition, 'version' | 'updated_at'>,
): boolean => (a.version !== b.version ? a.version > b.version : a.updated_at > b.updated_at)

/**
 * How `next` relates to a known position of the same request. A `regression` would undo a committed or displayed state:
 * another program stored an outdated record, or a fail-over lost the last writes.
 */
export function compare(known: ComparedPosition, next: ComparedPosition): 'newer' | 'same' | 'regression' {
  if (next.version === known.version && isSameWrite(known, next)) return 'same'
  const goesBack =
    next.version <= known.version ||
    next.progress < known.progress ||
    next.attempt < known.attempt ||
    (isFinal(known.status) && !isFinal(next.status))
  return goesBack ? 'regression' : 'newer'
}

/** Views have no revision, and the first record has none. */
type ComparedPosition = StatePosition & Pick<RequestRecord, 'revision'>
const isSameWrite = (a: ComparedPosition, b: ComparedPosition): boolean =>
  a.updated_at === b.updated_at &&
  (a.revision === undefined || b.revision === undefined || a.revision === b.revision)
