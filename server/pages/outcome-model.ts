/** The model of the page of a finished request. */
import type { Service } from '../../core/catalog/service-definition.ts'
import type { PublicView } from '../../core/domain/record.ts'
import type { Texts } from '../../core/i18n/index.ts'
import { formatElapsed } from '../../core/presentation/describe-request.ts'
import { failureAdvice } from './failure-advice.ts'
import { requestLinks, resultFileLink, resultImageLink } from './links.ts'
import { describeFailure } from './message-text.ts'
import { arrangeResult } from './result-data.ts'
import type { LabelledNode, ResultNode } from './result-node.ts'
import { serviceLabels } from './service-titles.ts'

export interface OutcomeModel {
  heading: string
  lead: string | null
  /** The value of the result that is shown first. */
  headline: LabelledNode | null
  result: ResultNode | null
  /** `message` is the bot's message, unless the lead already contains it. */
  error: { code: string; message: string | null } | null
  /** The page of the request that this one was retried as. */
  retriedAs: string | null
  /** What to do about the failure. */
  advice: string | null
  /** Where to start a new request; the list of services when the service is not in the catalogue. */
  again: string
  /** The time from start to end. */
  elapsed: string | null
  steps: { title: string; isPart: boolean; elapsed: string | null }[]
}

export function outcomeModel(
  view: PublicView,
  service: Service | undefined,
  { t, locale }: Texts,
  { retriedAs = null }: { retriedAs?: string | null } = {},
): OutcomeModel {
  const { stepTitles, hasForm } = serviceLabels(view, service, locale)
  const { headline, rest } = arrangeResult(view.result_data, service?.result, {
    t,
    locale,
    imageLink: (path) => resultImageLink(view, path),
    fileLink: (id) => resultFileLink(view, id),
  })
  const failure = describeFailure(view, service, locale)
  const error = view.error_data
  return {
    heading: t(view.is_completed ? 'result.title' : `live.status.${view.status}`),
    lead:
      view.is_cancelled ? t('cancelled.lead')
      : view.is_failed ? (failure.words ?? t('failed.lead'))
      : null, // biome-ignore format: a table
    headline,
    result: rest,
    error: error && {
      code: error.code,
      message: failure.isStandardText || failure.words === error.message ? null : error.message,
    },
    retriedAs: retriedAs && requestLinks({ ...view, hash: retriedAs }).progress,
    advice: error && t(failureAdvice(error)),
    again: hasForm ? requestLinks(view)[view.is_completed ? 'form' : 'again'] : '/',
    elapsed: formatElapsed(t, view.started_at, view.completed_at),
    steps: view.steps
      .filter((step) => step.started_at || step.outcome)
      .map((step) => ({
        title: stepTitles[step.id] ?? step.id,
        isPart: step.of !== undefined,
        elapsed: step.outcome
          ? t(step.outcome === 'failed' ? 'live.part.failed' : 'live.part.skipped')
          : formatElapsed(t, step.started_at, step.finished_at),
      })),
  }
}
