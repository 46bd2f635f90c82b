/** `list`: lists requests, newest first. */
import { nullIfUnreadable } from '../../core/domain/errors.ts'
import {
  isScheduled,
  type PublicView,
  type RequestRecord,
  type Status,
  toPublicView,
} from '../../core/domain/record.ts'
import type { Installation } from '../installation.ts'
import { brief, type Context, duration, EXIT, type ExitCode, plural, table } from '../terminal.ts'

/** As many as the list of recent requests holds. */
const ALL = 10_000
const READ_BATCH = 2_000

export async function list(
  context: Context,
  installation: Installation,
  { status, service, limit }: { status?: Status; service?: string; limit: number },
): Promise<ExitCode> {
  const { now, catalog } = installation
  const matches = (record: RequestRecord): boolean =>
    (!status || record.status === status) && (!service || record.service_slug === service)
  const { newest, count } = await readNewest(installation, matches, limit)
  // Requests may outlive their service, so a service that is unknown here may still have some.
  if (count === 0 && service !== undefined && !catalog.find(service)) {
    const known = catalog.all().map(({ slug }) => slug)
    context.printError(`halfway: there is no service "${service}"; there are: ${known.join(', ') || 'none'}.`)
    return EXIT.usage
  }
  const views = newest.map((record) => toPublicView(record, now()))
  const omitted = count - views.length
  if (context.json) context.printJson(views)
  else if (views.length === 0) context.print('No requests found.')
  else {
    context.print(...table([HEADING, ...views.map((view) => row(view, now()))]))
    if (omitted > 0) context.print(`… and ${omitted} more, see --limit.`)
    else context.print(plural(views.length, 'request'))
  }
  return EXIT.done
}

/**
 * Reads the recent requests and those with a deadline: a request scheduled for tomorrow outlives the list of recent ones.
 * Holds only the newest in memory while it reads all of them, which may be a hundred thousand.
 */
async function readNewest(
  { store, deadlineIndex }: Installation,
  matches: (record: RequestRecord) => boolean,
  limit: number,
): Promise<{ newest: RequestRecord[]; count: number }> {
  const [recent, scheduled] = await Promise.all([store.listRecent(ALL), deadlineIndex.all()])
  const hashes = [...new Set([...recent, ...scheduled])]
  let newest: RequestRecord[] = []
  let count = 0
  for (let from = 0; from < hashes.length; from += READ_BATCH) {
    const batch = hashes.slice(from, from + READ_BATCH)
    // A record that another program made unreadable is skipped.
    const stored = await Promise.all(batch.map((hash) => store.read(hash).catch(nullIfUnreadable)))
    const matching = stored.flatMap((one) => (one && matches(one.record) ? one.record : []))
    count += matching.length
    newest = [...newest, ...matching].sort(byAge).slice(0, limit)
  }
  return { newest, count }
}

const byAge = (a: RequestRecord, b: RequestRecord): number =>
  a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : 0

const HEADING = ['HASH', 'SERVICE', 'STATUS', 'PROGRESS', 'STEP', 'ATTEMPT', 'AGE', 'DELETED IN']

function row(view: PublicView, now: number): (string | null)[] {
  const since = (iso: string): string => duration((now - Date.parse(iso)) / 1000)
  const until = (iso: string): string => duration((Date.parse(iso) - now) / 1000)
  return [
    view.hash,
    brief(view.service_slug),
    isScheduled(view) && Date.parse(view.run_at ?? '') > now ? `in ${until(view.run_at ?? '')}` : view.status,
    `${view.progress} %`,
    brief(view.step),
    view.attempt === 0 ? null : `${view.attempt}/${view.max_attempts}`,
    since(view.created_at),
    until(view.expires_at),
  ]
}
