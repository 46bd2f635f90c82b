/** The model of the page of a finished request. */
import type { Service } from '../../core/catalog/service-definition.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { fileNameOf, shortReference } from '../../core/domain/short-reference.ts'
import type { Step } from '../../core/domain/step.ts'
import type { TimelineEntry } from '../../core/domain/timeline.ts'
import type { Texts } from '../../core/i18n/index.ts'
import { formatElapsed } from '../../core/presentation/describe-steps.ts'
import { isViewToken } from '../view-links.ts'
import { failureAdvice } from './failure-advice.ts'
import { requestLinks, resultFileLink, resultImageLink } from './links.ts'
import { describeFailure } from './message-text.ts'
import { hasTable } from './result-csv.ts'
import { type ArrangedResult, arrangeResult } from './result-data.ts'
import type { ResultNode } from './result-node.ts'
import { serviceLabels } from './service-titles.ts'
import { type AttemptMessage, attemptMessages, lastReason } from './timeline-model.ts'

export interface OutcomeModel {
  heading: string
  lead: string | null
  /** At which step a failed request stopped, and after how many attempts. */
  whereItFailed: string | null
  /** Why the attempt before failed, where the last one has no words. */
  reasonBefore: string | null
  /** The value of the result that is shown first. */
  headline: ArrangedResult['headline']
  result: ResultNode | null
  /** Whether the result can be downloaded as a table. */
  hasTable: boolean
  /** `messages` are the bot's, of each attempt, unless all are already shown in the words of the catalogue. */
  error: { code: string; messages: string[] } | null
  /** The short reference, for a telephone call; null where the request is seen by a view-only link. */
  reference: string | null
  /** Of downloads, without its ending. */
  fileName: string
  /** Whom people ask about a failure; null for a request that did not fail. */
  help: { contact: Contact | null } | null
  /** The page of the request that this one was retried as. */
  retriedAs: string | null
  isShareable: boolean
  /** What to do about the failure. */
  advice: string | null
  /** What was submitted is the likely cause. */
  mustCorrect: boolean
  /** Where to start a new request; the list of services when the service is not in the catalogue. */
  again: string
  /** The time from the request, of a scheduled one from its start, to the end. */
  elapsed: string | null
  steps: {
    title: string
    isPart: boolean
    elapsed: string | null
    isWhereItFailed: boolean
    isNotReached: boolean
  }[]
}

/** Words, or an address with a link. */
interface Contact {
  text: string
  href: string | null
}

/** The result of a request, for reading. */
export const arrangeOutcome = (
  view: PublicView,
  service: Service | undefined,
  { t, locale }: Pick<Texts, 't' | 'locale'>,
): ArrangedResult =>
  arrangeResult(view.result_data, service?.result, {
    t,
    locale,
    imageLink: (path) => resultImageLink(view, path),
    fileLink: (id) => resultFileLink(view, id),
  })

export function outcomeModel(
  view: PublicView,
  service: Service | undefined,
  { t, locale }: Texts,
  {
    retriedAs = null,
    isShareable = true,
    contact,
    timeline = [],
  }: {
    retriedAs?: string | null
    isShareable?: boolean
    contact?: string
    timeline?: readonly TimelineEntry[]
  } = {},
): OutcomeModel {
  const { stepTitles, hasForm } = serviceLabels(view, service, locale)
  const { headline, rest } = arrangeOutcome(view, service, { t, locale })
  const failure = describeFailure(view, service, locale)
  const error = view.error_data
  const before = view.is_failed && !failure.words ? lastReason(timeline, service, locale) : null
  return {
    heading: t(
      view.is_completed
        ? isViewToken(view.hash)
          ? 'share.result'
          : 'result.title'
        : `live.status.${view.status}`,
    ),
    lead:
      view.cancel_reason ? t('cancelled.reason', { reason: view.cancel_reason })
      : view.is_cancelled ? t('cancelled.lead')
      : view.is_failed ? (failure.words ?? t('failed.lead'))
      : null, // biome-ignore format: a table
    whereItFailed: whereItFailed(view, stepTitles, t),
    reasonBefore: before && t('failed.reason_before', before),
    headline,
    result: rest,
    hasTable: hasTable(rest),
    error: error && {
      code: error.code,
      messages: ownMessages(
        [
          ...attemptMessages(timeline, service),
          {
            attempt: view.attempt,
            message: error.message,
            isOwn: !failure.isStandardText && failure.words !== error.message,
          },
        ],
        t,
      ),
    },
    reference: isViewToken(view.hash) ? null : shortReference(view.hash),
    fileName: fileNameOf(view),
    help: view.is_failed && !isViewToken(view.hash) ? { contact: contactOf(contact) } : null,
    retriedAs: retriedAs && requestLinks({ ...view, hash: retriedAs }).progress,
    isShareable,
    advice: error && t(failureAdvice(error)),
    mustCorrect: error !== null && failureAdvice(error) === 'failed.turn.check',
    again: hasForm ? requestLinks(view)[view.is_completed ? 'form' : 'again'] : '/',
    elapsed: formatElapsed(t, view.run_at ? view.started_at : view.created_at, view.completed_at),
    steps: view.steps
      .filter((step) => step.started_at || step.outcome || (view.is_failed && step.of === undefined))
      .map((step) => ({
        title: stepTitles[step.id] ?? step.id,
        isPart: step.of !== undefined,
        elapsed: stepOutcome(step, view, t),
        isWhereItFailed: isWhereItFailed(step, view),
        isNotReached: isNotReached(step, view),
      })),
  }
}

/** All of them where one is not shown in the words of the catalogue, numbered where there is more than one. */
function ownMessages(all: AttemptMessage[], t: Texts['t']): string[] {
  if (!all.some(({ isOwn }) => isOwn)) return []
  return all.length === 1
    ? all.map(({ message }) => message)
    : all.map(({ attempt, message }) => t('failed.attempt_message', { attempt, message }))
}

function whereItFailed(
  view: PublicView,
  stepTitles: Readonly<Record<string, string>>,
  t: Texts['t'],
): string | null {
  const step = view.steps.find((step) => isWhereItFailed(step, view))
  if (!step) return null
  return t('failed.where', { step: stepTitles[step.id] ?? step.id, attempts: view.attempt })
}

/** Of a request that failed or was cancelled. */
const isWhereItStopped = ({ of, state }: Step, { is_completed }: PublicView): boolean =>
  !is_completed && of === undefined && state === 'current'

const isWhereItFailed = (step: Step, view: PublicView): boolean =>
  view.is_failed && isWhereItStopped(step, view)

const isNotReached = ({ state }: Step, { is_failed }: PublicView): boolean => is_failed && state === 'waiting'

function stepOutcome(step: Step, view: PublicView, t: Texts['t']): string | null {
  if (step.outcome) return t(step.outcome === 'failed' ? 'live.part.failed' : 'live.part.skipped')
  if (isWhereItStopped(step, view)) return t('failed.step')
  if (isNotReached(step, view)) return t('failed.not_reached')
  return formatElapsed(t, step.started_at, step.finished_at)
}

function contactOf(contact: string | undefined): Contact | null {
  if (contact === undefined) return null
  const address = /^[^\s:/]+@[^\s:/]+$/.test(contact) ? `mailto:${contact}` : contact
  const isAddress = /^(?:https?:\/\/|mailto:|tel:)\S+$/i.test(address)
  return { text: contact.replace(/^(?:mailto|tel):/i, ''), href: isAddress ? address : null }
}
