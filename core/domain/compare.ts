/** The order of two states of one request. */
import { isFinal, type RequestRecord, type StatePosition } from './record.ts'

/** Newer means greater by (`version`, `updated_at`): the rule for everything that shows a request. */
export const isNewer = (
  a: Pick<StatePosition, 'version' | 'updated_at'>,
  b: Pick<StatePosition, 'version' | 'updated_at'>,
): boolean => (a.version !== b.version ? a.version > b.version : a.updated_at > b.updated_at)

/**
 * How `next` relates to a known position of the same request. A `regression` takes back what was committed or shown:
 * another program stored what it had read earlier, or a fail-over lost the last writes.
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
