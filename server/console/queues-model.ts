/** The model of the page of queues: what waits and runs, what is held, limited and closed. */
import { type Catalog, queuesOf } from '../../core/catalog/catalog.ts'
import type { ConsoleTexts } from '../../core/i18n/console-texts.ts'
import { formatDuration } from '../../core/presentation/format-duration.ts'
import type { QueueState } from '../../core/queue/queue-stats.ts'
import { type Controls, withLimits } from '../../core/store/operator-controls.ts'
import { serviceTitle } from './safe-text.ts'

export function queueModel(
  state: QueueState,
  { catalog, controls, texts: { t, locale } }: { catalog: Catalog; controls: Controls; texts: ConsoleTexts },
) {
  const number = (value: number): string => t('console.number', { value })
  const seconds = (value: number | null): string => (value ? formatDuration(t, value) : '–')
  const defined = queuesOf(catalog).find(({ name }) => name === state.queue)
  const limits = defined ? withLimits(defined, controls) : undefined
  return {
    name: state.queue,
    facts: [
      ['console.state.pending', number(state.waiting)],
      ['console.state.processing', number(state.running)],
      ['console.delayed', number(state.delayed)],
      ['console.at_once', state.at_once === null ? t('console.any_number') : number(state.at_once)],
      ['console.oldest', seconds(state.oldest_seconds)],
      ['console.held', seconds(state.held_seconds)],
    ],
    hold: controls.held.get(state.queue) ?? null,
    limits: {
      concurrency: limits?.concurrency ?? '',
      requests: limits?.rate?.requests ?? '',
      seconds: limits?.rate?.seconds ?? '',
      areChosen: controls.limits.has(state.queue),
    },
    services: catalog
      .all()
      .filter(({ queue }) => queue.name === state.queue)
      .map(({ slug }) => ({
        slug,
        title: serviceTitle(catalog, slug, locale) ?? slug,
        closed: controls.closed.get(slug) ?? null,
      })),
  }
}
