import type { ResultDefinition } from '../core/catalog/result-definition.ts'
import { findResultFaults } from '../core/catalog/result-faults.ts'
import type { RequestRecord } from '../core/domain/record.ts'
import { shortReference } from '../core/domain/short-reference.ts'
import { createOnce } from '../core/redis/once.ts'
import type { Log } from '../core/runtime/log.ts'

/** Logs what in a result does not fit its definition: once for each kind of fault, since every request of the service has it. */
export function createFaultLog(log: Log) {
  const isFirst = createOnce()
  return (
    { hash, service_slug: service }: RequestRecord,
    result: unknown,
    definition: ResultDefinition,
  ): void => {
    const faults = findResultFaults(result, definition)
    if (faults.length > 0 && isFirst(`${service} ${faults}`))
      log.warn({ request: shortReference(hash), service, faults }, 'a result does not fit its definition')
  }
}
