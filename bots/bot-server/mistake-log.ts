/** Names mistakes of handlers in the log of development, each once, so that the author of a bot sees them. */
import { createOnce } from '../../core/redis/once.ts'
import { type Log, stepForLog } from '../../core/runtime/log.ts'

export interface MistakeLog {
  unknownStep(slug: string, step: string): void
  noResult(slug: string): void
}

/** @param options.steps given in development only */
export function createMistakeLog({
  log,
  steps,
}: {
  log: Log
  steps?: ReadonlyMap<string, ReadonlySet<string>>
}): MistakeLog {
  const isFirst = createOnce()
  return {
    unknownStep(slug, step) {
      if (steps && isFirst(`${slug} step ${step}`))
        log.warn(
          { service: slug, ...stepForLog(step) },
          'a handler reported a step that its service does not have',
        )
    },
    noResult(slug) {
      if (steps && isFirst(`${slug} result`))
        log.warn(
          { service: slug },
          'a handler returned nothing, and its request is completed without a result; return null where that is meant',
        )
    },
  }
}
