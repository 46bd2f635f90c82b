/** Logs steps that a service does not have, once per request. The step is shown as given; the log is for the author of the bot. */
import type { RequestRecord } from '../domain/record.ts'
import { shortReference } from '../domain/short-reference.ts'
import { createOnce } from '../redis/once.ts'
import { type Log, stepForLog } from '../runtime/log.ts'

export function createUnknownStepLog(log: Log | undefined): (record: RequestRecord) => void {
  const isFirst = createOnce()
  return ({ hash, service_slug, step, steps }) => {
    if (step === null || steps.some(({ id }) => id === step) || !isFirst(hash)) return
    const about = { request: shortReference(hash), service: service_slug, ...stepForLog(step) }
    log?.warn(about, 'a bot reported a step that its service does not have')
  }
}
