/** `failed list` and `failed retry`: lists failed requests and retries them. */

import { createRetry, type RetryResult } from '../../core/actions/retry-request.ts'
import { nullIfUnreadable } from '../../core/domain/errors.ts'
import type { FailedRequest } from '../../core/store/failed-requests.ts'
import type { Installation } from '../installation.ts'
import { brief, type Context, duration, EXIT, type ExitCode, plural, table } from '../terminal.ts'

const REASONS = {
  not_found: 'no such request',
  not_failed: 'it has not failed',
  data_deleted: 'its submitted data is deleted',
  already_retried: 'it has been retried already',
  unknown_service: 'its service no longer exists',
  subject_limit_reached: 'its subject has reached the limit of codes per hour',
} as const

export async function listFailed(
  context: Context,
  { failures, store, now }: Installation,
): Promise<ExitCode> {
  const all = await failures.list()
  const records = await Promise.all(all.map(({ hash }) => store.read(hash).catch(nullIfUnreadable)))
  const listed = all.map((one, i) => ({
    ...one,
    can_be_retried: records[i] !== null && one.retried_as === null,
  }))
  if (context.json) context.printJson(listed)
  else if (listed.length === 0) context.print('No failed requests.')
  else {
    context.print(...table([HEADING, ...listed.map((one) => row(one, now()))]))
    context.print(plural(listed.length, 'failed request'))
  }
  return EXIT.done
}

const HEADING = ['HASH', 'SERVICE', 'ERROR', 'ATTEMPTS', 'FAILED', 'RETRY']
const row = (one: FailedRequest & { can_be_retried: boolean }, now: number): (string | number)[] => [
  one.hash,
  brief(one.service_slug),
  brief(one.code),
  one.attempts,
  `${duration((now - Date.parse(one.failed_at)) / 1000)} ago`,
  one.retried_as ? `as ${one.retried_as}` : one.can_be_retried ? 'possible' : 'data deleted',
]

export async function retryFailed(
  context: Context,
  installation: Installation,
  hash: string | undefined,
  { all = false }: { all?: boolean },
): Promise<ExitCode> {
  if ((hash === undefined) !== all) {
    context.printError('halfway: name one request, or pass --all.')
    return EXIT.usage
  }
  const retry = createRetry({
    ...installation,
    ttlSeconds: installation.config.requestTtlSeconds,
  })
  const results: RetryResult[] = []
  for (const one of hash ? [hash] : await notRetried(installation)) results.push(await retry(one))
  if (context.json) context.printJson(results)
  else {
    for (const result of results) context.print(resultLine(result))
    if (all)
      context.print(
        `${results.filter(({ ok }) => ok).length} of ${plural(results.length, 'request')} retried.`,
      )
  }
  const [only] = results
  if (hash && only && !only.ok) return only.reason === 'not_found' ? EXIT.notFound : EXIT.failed
  return EXIT.done
}

const notRetried = async ({ failures }: Installation): Promise<string[]> =>
  (await failures.list()).filter(({ retried_as }) => retried_as === null).map(({ hash }) => hash)

const resultLine = (result: RetryResult): string =>
  result.ok
    ? `${result.hash} was retried as ${result.retried_as}`
    : `${result.hash} was not retried: ${REASONS[result.reason]}`
