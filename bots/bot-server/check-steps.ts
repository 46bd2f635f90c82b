/** Refuses reports of steps that the definition of the service does not have, which are mistakes of the handler. */
import type { Service } from '../../core/catalog/service-definition.ts'
import { BotFailure } from '../bot-failure.ts'
import type { RequestUpdater } from '../updater.ts'

export const stepIds = ({ steps }: Pick<Service, 'steps'>): ReadonlySet<string> =>
  new Set(steps.map(({ id }) => id))

/**
 * @param known the step ids of the service; without them, every step is accepted
 * @param onUnknown is called with a step that the service does not have
 * @returns the reports, whose `updateProgress` rejects with BotFailure `unknown_step`
 */
export function checkSteps<Reports extends Pick<RequestUpdater, 'updateProgress'>>(
  reports: Reports,
  slug: string,
  known: ReadonlySet<string> | undefined,
  onUnknown: (step: string) => void = () => {},
): Reports {
  if (!known) return reports
  return {
    ...reports,
    async updateProgress(progress, step, ...rest) {
      if (step !== undefined && !known.has(step)) {
        onUnknown(step)
        throw new BotFailure('unknown_step', `The service "${slug}" has no step "${step}".`)
      }
      await reports.updateProgress(progress, step, ...rest)
    },
  }
}
