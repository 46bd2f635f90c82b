/** What the page of a request shows that is over. */
import type { PublicView } from '../../core/domain/record.ts'
import type { Texts } from '../../core/i18n/index.ts'
import { formatElapsed } from '../../core/presentation/describe-request.ts'
import { failureAdvice } from './failure-advice.ts'
import { requestLinks } from './links.ts'
import { describeFailure } from './message-text.ts'
import { arrangeResult, type ResultNode } from './result-data.ts'
import { serviceLabels } from './service-titles.ts'

export interface OutcomeModel {
  heading: string
  lead: string | null
  /** What most people came for. */
  headline: { label: string; value: ResultNode } | null
  result: ResultNode | null
  /** `message` is what the bot said, where the lead does not say it already. */
  error: { code: string; message: string | null } | null
  /** Where the request is that it was sent again as. */
  retriedAs: string | null
  /** Who can do something about the failure. */
  advice: string | null
  /** Where a new request begins; the list of services when this one is not ours to offer. */
  again: string
  /** How long all of it took, once it was begun. */
  elapsed: string | null
  steps: { title: string; isPart: boolean; elapsed: string | null }[]
}

export function outcomeModel(
  view: PublicView,
  { t, locale }: Texts,
  { retriedAs = null }: { retriedAs?: string | null } = {},
): OutcomeModel {
  const { stepTitles, labelOf, headline, hasForm: known } = serviceLabels(view, locale)
  const { first, rest } = splitHeadline(view.result_data, headline)
  const failure = describeFailure(view, locale)
  const error = view.error_data
  return {
    heading: t(view.is_completed ? 'result.title' : `live.status.${view.status}`),
    lead:
      view.is_cancelled ? t('cancelled.lead')
      : view.is_failed ? (failure.words ?? t('failed.lead'))
      : null, // biome-ignore format: a table
    headline:
      headline !== null && first !== null
        ? { label: labelOf(headline), value: arrangeResult(first, { t, locale, labelOf }) }
        : null,
    result: rest === null ? null : arrangeResult(rest, { t, locale, labelOf }),
    error: error && {
      code: error.code,
      message: failure.isStandardText || failure.words === error.message ? null : error.message,
    },
    retriedAs: retriedAs && requestLinks({ ...view, hash: retriedAs }).progress,
    advice: error && t(failureAdvice(error)),
    again: known ? requestLinks(view)[view.is_completed ? 'form' : 'again'] : '/',
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

/** One plain value of a result, taken out of it; null where there is none such. */
function splitHeadline(result: unknown, name: string | null): { first: unknown; rest: unknown } {
  if (name === null || typeof result !== 'object' || result === null) return { first: null, rest: result }
  const { [name]: first = null, ...rest } = result as Record<string, unknown>
  if (typeof first === 'object') return { first: null, rest: result }
  return { first, rest: Object.keys(rest).length === 0 ? null : rest }
}
