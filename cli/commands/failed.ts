/** `failed list` and `failed retry`: lists failed requests and retries them. */

import type { RetryResult } from '../../core/actions/retry-request.ts'
import { nullIfUnreadable } from '../../core/domain/errors.ts'
import { formatCause } from '../../core/domain/request-failure.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { type FailedRequest, REMOVED } from '../../core/store/failed-requests.ts'
import { findRequest } from '../find-request.ts'
import type { Installation } from '../installation.ts'
import type { Cell } from '../layout.ts'
import { type Context, duration, EXIT, type ExitCode, plural } from '../terminal.ts'

const REASONS = {
  not_found: 'no such request',
  not_failed: 'it has not failed',
  data_deleted: 'its submitted data is deleted',
  already_retried: 'it has been retried already',
  unknown_service: 'its service no longer exists',
  subject_limit_reached: 'its subject has reached the limit of codes per hour',
  no_room: 'half of the places are left for people',
  too_many_unfinished: 'its submitter has half as many unfinished requests as they may have',
} as const

export async function listFailed(
  context: Context,
  { failures, store, now }: Installation,
  { code }: { code?: string },
): Promise<ExitCode> {
  const all = (await failures.list()).filter((one) => code === undefined || one.code === code)
  const records = await Promise.all(all.map(({ hash }) => store.read(hash).catch(nullIfUnreadable)))
  const listed = all.map((one, i) => ({
    ...one,
    can_be_retried: records[i] !== null && one.retried_as === null,
  }))
  if (context.json) context.printJson(listed)
  else if (listed.length === 0) context.print('No failed requests.')
  else {
    context.printTable([HEADING, ...listed.map((one) => row(one, now()))], OPTIONAL)
    context.print(plural(listed.length, 'failed request'))
  }
  return EXIT.done
}

const HEADING = ['HASH', 'REFERENCE', 'SERVICE', 'ERROR', 'ATTEMPTS', 'FAILED', 'RETRY', 'CAUSE']
const OPTIONAL = ['HASH', 'ATTEMPTS', 'CAUSE', 'RETRY']
const row = (one: FailedRequest & { can_be_retried: boolean }, now: number): Cell[] => [
  one.hash,
  shortReference(one.hash),
  one.service_slug,
  one.code,
  one.attempts,
  `${duration((now - Date.parse(one.failed_at)) / 1000)} ago`,
  one.retried_as !== null ? retriedAs(one.retried_as) : one.can_be_retried ? 'possible' : 'data deleted',
  one.cause ? formatCause(one.cause) : null,
]

const retriedAs = (as: string): string => (as === REMOVED ? 'retried' : `as ${shortReference(as)}`)

export async function retryFailed(
  context: Context,
  installation: Installation,
  names: readonly string[],
  { all = false, code }: { all?: boolean; code?: string },
): Promise<ExitCode> {
  if ((names.length === 0) !== all || (code !== undefined && !all)) {
    context.printError('halfway: name requests, or pass --all, perhaps with --code.')
    return EXIT.usage
  }
  const results: RetryResult[] = []
  const requests: { hash: string; service_slug?: string }[] = all
    ? await notRetried(installation, code)
    : await Promise.all(names.map(async (name) => ({ hash: await findRequest(installation, name) })))
  /** Services whose queue has no room. */
  const full = new Set<string | undefined>()
  for (const { hash: one, service_slug } of requests) {
    if (service_slug !== undefined && full.has(service_slug)) {
      results.push({ ok: false, hash: one, reason: 'no_room' })
      continue
    }
    const result = await installation.retry(one, all ? 'all' : 'one')
    if (!result.ok && result.reason === 'no_room') full.add(service_slug)
    const end = result.ok
      ? { outcome: 'done' as const }
      : { outcome: 'refused' as const, reason: result.reason }
    await installation.audit({ action: 'send_again', request: shortReference(one), ...end })
    results.push(result)
  }
  if (context.json) context.printJson(results)
  else {
    for (const result of results) if (!isLeft(result)) context.print(resultLine(result))
    if (results.length !== 1 || all)
      context.print(
        `${results.filter(({ ok }) => ok).length} of ${plural(results.length, 'request')} retried.`,
      )
    const left = results.filter(isLeft).length
    if (left > 0)
      context.print(
        `${left} stay in the list: half of the places of a queue (MAX_UNFINISHED_PER_QUEUE), of all queues (MAX_UNFINISHED)`,
        'and of memory are left for people. Type it again once `queues` shows fewer.',
      )
  }
  const refused = all ? undefined : results.find((one) => !one.ok)
  if (!refused || refused.ok) return EXIT.done
  return refused.reason === 'not_found' ? EXIT.notFound : EXIT.failed
}

const notRetried = async ({ failures }: Installation, code: string | undefined): Promise<FailedRequest[]> =>
  (await failures.list()).filter(
    (one) => one.retried_as === null && (code === undefined || one.code === code),
  )

const isLeft = (result: RetryResult): boolean => !result.ok && result.reason === 'no_room'

const resultLine = (result: RetryResult): string =>
  result.ok
    ? `${result.hash} was retried as ${result.retried_as}`
    : `${result.hash} was not retried: ${REASONS[result.reason]}`
