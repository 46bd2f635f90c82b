/** `failed list` and `failed retry`: what went wrong, and another try for it. */

import { createRetry, type RetryResult } from '../../core/actions/retry-request.ts'
import { findService } from '../../core/catalog/index.ts'
import { nullIfUnreadable } from '../../core/domain/errors.ts'
import type { FailedRequest } from '../../core/store/failed-requests.ts'
import type { Installation } from '../installation.ts'
import { brief, type Context, duration, EXIT, type ExitCode, plural, table } from '../terminal.ts'

const REASONS = {
  not_found: 'there is no such request',
  not_failed: 'it has not failed',
  data_deleted: 'what its person sent is deleted already',
  already_retried: 'it was sent again before',
  unknown_service: 'there is no such service any more',
  subject_limit_reached: 'its person has had the most codes for an hour',
} as const

export async function listFailed(
  context: Context,
  { failures, store, now }: Installation,
): Promise<ExitCode> {
  const all = await failures.list()
  const living = await Promise.all(all.map(({ hash }) => store.read(hash).catch(nullIfUnreadable)))
  const listed = all.map((one, i) => ({
    ...one,
    can_be_retried: living[i] !== null && one.retried_as === null,
  }))
  if (context.json) context.printJson(listed)
  else if (listed.length === 0) context.print('Nothing has failed.')
  else {
    context.print(...table([HEADING, ...listed.map((one) => row(one, now()))]))
    context.print(plural(listed.length, 'failed request'))
  }
  return EXIT.done
}

const HEADING = ['HASH', 'SERVICE', 'ERROR', 'TRIES', 'FAILED', 'AGAIN']
const row = (one: FailedRequest & { can_be_retried: boolean }, now: number): (string | number)[] => [
  one.hash,
  brief(one.service_slug),
  brief(one.code),
  one.attempts,
  `${duration((now - Date.parse(one.failed_at)) / 1000)} ago`,
  one.retried_as ? `as ${one.retried_as}` : one.can_be_retried ? 'can be sent again' : 'data deleted',
]

export async function retryFailed(
  context: Context,
  installation: Installation,
  hash: string | undefined,
  { all = false }: { all?: boolean },
): Promise<ExitCode> {
  if ((hash === undefined) !== all) {
    context.complain('halfway: name one request, or give --all.')
    return EXIT.usage
  }
  const retry = createRetry({
    ...installation,
    findService,
    ttlSeconds: installation.config.requestTtlSeconds,
  })
  const results: RetryResult[] = []
  for (const one of hash ? [hash] : await notSentAgain(installation)) results.push(await retry(one))
  if (context.json) context.printJson(results)
  else {
    for (const result of results) context.print(printed(result))
    if (all)
      context.print(
        `${results.filter(({ ok }) => ok).length} of ${plural(results.length, 'request')} sent again.`,
      )
  }
  const [only] = results
  if (hash && only && !only.ok) return only.reason === 'not_found' ? EXIT.notFound : EXIT.failed
  return EXIT.done
}

const notSentAgain = async ({ failures }: Installation): Promise<string[]> =>
  (await failures.list()).filter(({ retried_as }) => retried_as === null).map(({ hash }) => hash)

const printed = (result: RetryResult): string =>
  result.ok
    ? `${result.hash} was sent again as ${result.retried_as}`
    : `${result.hash} was not sent again: ${REASONS[result.reason]}`
