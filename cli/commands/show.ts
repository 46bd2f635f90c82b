/**
 * `show <hash>`: the public view of a request and its timeline, or with `--raw` its whole record, including private fields. Of a
 * failed request that is deleted, its entry in the list of failures, kept for a week.
 */

import type { Service } from '../../core/catalog/service-definition.ts'
import { messagesOfService } from '../../core/catalog/service-messages.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { formatCause } from '../../core/domain/request-failure.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import type { TimelineEntry } from '../../core/domain/timeline.ts'
import { createTexts } from '../../core/i18n/index.ts'
import { createLocalizer } from '../../core/i18n/localize-message.ts'
import { describeTimeline } from '../../core/presentation/describe-timeline.ts'
import type { FailedRequest } from '../../core/store/failed-requests.ts'
import { findRequest } from '../find-request.ts'
import type { Installation } from '../installation.ts'
import { type Cell, styledStatus } from '../layout.ts'
import { type Context, duration, EXIT, type ExitCode, jsonLines } from '../terminal.ts'

export async function show(
  context: Context,
  installation: Installation,
  name: string,
  { raw = false }: { raw?: boolean },
): Promise<ExitCode> {
  const { catalog, store, requests, redis, failures, now } = installation
  const hash = await findRequest(installation, name)
  if (raw) {
    const stored = await store.read(hash)
    if (!stored)
      throw new AppError('request_not_found', { detail: `There is no request ${hash}, or it has expired.` })
    context.printJson(stored.record)
    return EXIT.done
  }
  const view = await requests.view(hash).catch((error) => showDeleted(context, installation, hash, error))
  if (view === null) return EXIT.done
  const failed = view.is_failed ? await failures.find(hash) : null
  const ttlMs = await redis.pttl(redis.names.record(hash))
  if (context.json) context.printJson(failed?.cause ? { ...view, cause: failed.cause } : view)
  else {
    const service = catalog.find(view.service_slug)
    printView(context, view, { now: now(), ttlMs, failed, isKnown: service !== undefined })
    context.print('')
    context.printTable(timelineRows(await requests.timeline(view), service), ['ATTEMPT'])
  }
  return EXIT.done
}

/** @throws the given error where nothing is kept of the request */
async function showDeleted(
  context: Context,
  { failures }: Installation,
  hash: string,
  error: unknown,
): Promise<null> {
  const failed = await failures.find(hash)
  if (!failed) throw error
  if (context.json) context.printJson(failed)
  else {
    const { service_slug, code, cause, attempts, created_at, failed_at, retried_as } = failed
    context.printPairs([
      ['Request', `${hash} (deleted)`],
      ['Reference', shortReference(hash)],
      ['Service', service_slug],
      ['Status', styledStatus('failed')],
      ['Error', code],
      ['Cause', cause ? formatCause(cause) : null],
      ['Attempts', attempts],
      ['Retried as', retried_as],
      ['Created', created_at],
      ['Completed', failed_at],
    ])
  }
  return null
}

function timelineRows(timeline: readonly TimelineEntry[], service: Service | undefined): Cell[][] {
  const { t } = createTexts('en')
  const read = createLocalizer('en', messagesOfService(service, 'en'))
  const entries = describeTimeline(timeline, { t, read, stepTitles: {} })
  const isNewStep = (i: number): boolean => timeline[i]?.step !== (timeline[i - 1]?.step ?? null)
  return [
    ['TIME', 'ATTEMPT', 'WHAT HAPPENED'],
    ...entries.map(({ at, text }, i) => [
      at,
      timeline[i]?.attempt || null,
      // The words of an entry without a message are its step.
      isNewStep(i) && text !== timeline[i]?.step ? `${timeline[i]?.step}: ${text}` : text,
    ]),
  ]
}

function printView(
  context: Context,
  view: PublicView,
  {
    now,
    ttlMs,
    failed,
    isKnown,
  }: { now: number; ttlMs: number; failed: FailedRequest | null; isKnown: boolean },
): void {
  const ago = (iso: string | null): string | null =>
    iso &&
    `${iso} (${duration(Math.abs(now - Date.parse(iso)) / 1000)} ${Date.parse(iso) > now ? 'from now' : 'ago'})`
  context.printPairs([
    ['Request', view.hash],
    ['Reference', shortReference(view.hash)],
    ['Service', `${view.service_slug}${isKnown ? '' : ' (unknown here)'}`],
    ['Status', styledStatus(view.status)],
    ['Progress', `${view.progress} %`],
    ['Message', view.current_message],
    ['Attempt', view.attempt === 0 ? 'not started' : `${view.attempt} of ${view.max_attempts}`],
    ['Queue position', view.queue_position],
    ['Starts', ago(view.run_at)],
    ['Next attempt', ago(view.next_retry_at)],
    [
      'Code',
      view.otp_data &&
        `requested, ${view.otp_data.attempts_left} tries left, valid until ${view.otp_data.expires_at}`,
    ],
    ['Error', view.error_data && `${view.error_data.code}: ${view.error_data.message}`],
    ['Cause', failed?.cause ? formatCause(failed.cause) : null],
    ['Retry of', view.retry_of],
    ['Retried as', failed?.retried_as ?? null],
    ['Created', ago(view.created_at)],
    ['Started', ago(view.started_at)],
    ['Updated', ago(view.updated_at)],
    ['Completed', ago(view.completed_at)],
    ['Deleted in', duration(ttlMs / 1000)],
    ['Version', view.version],
  ])
  const steps = view.steps.map(({ id, of, state, outcome, started_at }) => [
    of === undefined ? id : `- ${id}`,
    outcome ?? state,
    started_at,
  ])
  if (steps.length > 0) context.print('')
  if (steps.length > 0) context.printTable([['STEP', 'STATE', 'STARTED'], ...steps])
  if (view.is_completed) context.print('', 'Result:', ...jsonLines(view.result_data))
}
