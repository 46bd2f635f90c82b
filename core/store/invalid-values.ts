/** What is shown of a request whose value is no record: another program stored it. */
import { AppError } from '../domain/errors.ts'
import type { RequestRecord } from '../domain/record.ts'
import { shortReference } from '../domain/short-reference.ts'
import { createOnce } from '../redis/once.ts'
import type { Log } from '../runtime/log.ts'
import type { Value } from './batched-get.ts'
import { describeValue } from './decode-value.ts'
import type { StoredRecord } from './record-cache.ts'

/** @returns the last valid record, as long as the request would have lived */
export function createInvalidFallback({ log, now }: { log?: Log; now: () => number }) {
  const isFirst = createOnce()
  return (hash: string, raw: Value, last: RequestRecord | null): StoredRecord | null => {
    if (isFirst(hash))
      log?.warn(
        { request: shortReference(hash), kind: describeValue(raw) },
        'another program stored an invalid record',
      )
    if (!last)
      throw new AppError('unreadable_record', {
        detail: 'Another program stored a value here that is no request record.',
      })
    return now() < Date.parse(last.expires_at) ? { record: last, raw } : null
  }
}
