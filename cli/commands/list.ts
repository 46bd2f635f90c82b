/** `list`: the requests there are. */
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

/** As many as the list holds. */
const ALL = 10_000
const AT_ONCE = 2_000

export async function list(
  context: Context,
  installation: Installation,
  { status, service, limit }: { status?: Status; service?: string; limit: number },
): Promise<ExitCode> {
  const { now } = installation
  const isWanted = (record: RequestRecord): boolean =>
    (!status || record.status === status) && (!service || record.service_slug === service)
  const { newest, count } = await newestOf(installation, isWanted, limit)
  const views = newest.map((record) => toPublicView(record, now()))
  const hidden = count - views.length
  if (context.json) context.printJson(views)
  else if (views.length === 0) context.print('There are no such requests.')
  else {
    context.print(...table([HEADING, ...views.map((view) => row(view, now()))]))
    if (hidden > 0) context.print(`… and ${hidden} more, see --limit.`)
    else context.print(plural(views.length, 'request'))
  }
  return EXIT.done
}

/**
 * Of what is listed, and what somebody is reminded of: a request for tomorrow outlives the list. Only the newest are kept
 * while all are looked at: there may be a hundred thousand.
 */
async function newestOf(
  { store, deadlines }: Installation,
  isWanted: (record: RequestRecord) => boolean,
  limit: number,
): Promise<{ newest: RequestRecord[]; count: number }> {
  const [listed, reminded] = await Promise.all([store.listRecent(ALL), deadlines.all()])
  const hashes = [...new Set([...listed, ...reminded])]
  let newest: RequestRecord[] = []
  let count = 0
  for (let from = 0; from < hashes.length; from += AT_ONCE) {
    const some = hashes.slice(from, from + AT_ONCE)
    // What another program left as nonsense is no reason to see nothing of the others.
    const stored = await Promise.all(some.map((hash) => store.read(hash).catch(nullIfUnreadable)))
    const wanted = stored.flatMap((one) => (one && isWanted(one.record) ? one.record : []))
    count += wanted.length
    newest = [...newest, ...wanted].sort(byAge).slice(0, limit)
  }
  return { newest, count }
}

const byAge = (a: RequestRecord, b: RequestRecord): number =>
  a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : 0

const HEADING = ['HASH', 'SERVICE', 'STATUS', 'PROGRESS', 'STEP', 'TRY', 'AGE', 'DELETED IN']

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
