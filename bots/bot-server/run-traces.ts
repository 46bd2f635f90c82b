/** A span of each run of a handler, below the call that began it. */

import type { Tracing } from '../../core/runtime/tracing.ts'
import { attributesOf, errorAttribute } from '../../core/store/request-attributes.ts'
import type { createRunExecutor } from './run-executor.ts'

type ExecuteRun = ReturnType<typeof createRunExecutor>

export const traceRuns = (execute: ExecuteRun, tracing: Tracing | undefined): ExecuteRun =>
  tracing === undefined
    ? execute
    : (call, run) => {
        const { slug, hash } = call
        // The service is known: it has a handler.
        const attributes = attributesOf({ service_slug: slug, hash, attempt: run.attempt }, {})
        return tracing.continueTrace(call.traceparent, () =>
          tracing.span('run', { kind: 'server', attributes }, async (add) => {
            try {
              return await execute(call, run)
            } catch (error) {
              add(errorAttribute((error as { code?: unknown } | null)?.code))
              throw error
            }
          }),
        )
      }
