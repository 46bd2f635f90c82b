/** `show <hash>`: the public view of a request, or with `--raw` its whole record, including private fields. */

import { AppError } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import type { Installation } from '../installation.ts'
import { type Context, definitionList, duration, EXIT, type ExitCode, jsonLines, table } from '../terminal.ts'

export async function show(
  context: Context,
  { catalog, store, requests, redis, failures, now }: Installation,
  hash: string,
  { raw = false }: { raw?: boolean },
): Promise<ExitCode> {
  if (raw) {
    const stored = await store.read(hash)
    if (!stored)
      throw new AppError('request_not_found', { detail: `There is no request ${hash}, or it has expired.` })
    context.printJson(stored.record)
    return EXIT.done
  }
  const view = await requests.view(hash)
  const retriedAs = view.is_failed ? (await failures.find(hash))?.retried_as : null
  const ttlMs = await redis.pttl(redis.names.record(hash))
  if (context.json) context.printJson(view)
  else
    context.print(
      ...describeView(view, {
        now: now(),
        ttlMs,
        retriedAs: retriedAs ?? null,
        isKnown: catalog.find(view.service_slug) !== undefined,
      }),
    )
  return EXIT.done
}

function describeView(
  view: PublicView,
  {
    now,
    ttlMs,
    retriedAs,
    isKnown,
  }: { now: number; ttlMs: number; retriedAs: string | null; isKnown: boolean },
): string[] {
  const ago = (iso: string | null): string | null =>
    iso &&
    `${iso} (${duration(Math.abs(now - Date.parse(iso)) / 1000)} ${Date.parse(iso) > now ? 'from now' : 'ago'})`
  const pairs: [string, string | number | null][] = [
    ['Request', view.hash],
    ['Service', `${view.service_slug}${isKnown ? '' : ' (unknown here)'}`],
    ['Status', view.status],
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
    ['Retry of', view.retry_of],
    ['Retried as', retriedAs],
    ['Created', ago(view.created_at)],
    ['Started', ago(view.started_at)],
    ['Updated', ago(view.updated_at)],
    ['Completed', ago(view.completed_at)],
    ['Deleted in', duration(ttlMs / 1000)],
    ['Version', view.version],
  ]
  const steps = view.steps.map(({ id, of, state, outcome, started_at }) => [
    of === undefined ? id : `- ${id}`,
    outcome ?? state,
    started_at,
  ])
  return [
    ...definitionList(pairs.filter(([, value]) => value !== null)),
    ...(steps.length > 0 ? ['', ...table([['STEP', 'STATE', 'STARTED'], ...steps])] : []),
    ...(view.is_completed ? ['', 'Result:', ...jsonLines(view.result_data)] : []),
  ]
}
