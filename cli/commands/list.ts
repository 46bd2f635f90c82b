/** `list`: lists requests, newest first; with `--watch` again and again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isScheduled, type PublicView, toPublicView } from '../../core/domain/record.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import type { RequestFilter, RequestList, RequestPage } from '../../core/store/request-list.ts'
import type { Installation } from '../installation.ts'
import { type Cell, styledStatus } from '../layout.ts'
import { type Context, duration, EXIT, type ExitCode, plural } from '../terminal.ts'

type ListOptions = RequestFilter & { olderThan?: number; limit: number; all?: boolean; watch?: boolean }

const WATCH_INTERVAL_MS = 2_000

export async function list(
  context: Context,
  installation: Installation,
  options: ListOptions,
): Promise<ExitCode> {
  for (;;) {
    if (options.watch) context.clearScreen()
    const code = await printList(context, installation, options)
    if (!options.watch || code !== EXIT.done) return code
    // An interrupt ends the wait.
    await sleep(WATCH_INTERVAL_MS, undefined, { signal: context.signal }).catch(() => {})
    if (context.signal.aborted) return EXIT.done
  }
}

async function printList(
  context: Context,
  installation: Installation,
  { limit, all, olderThan, watch = false, ...filter }: ListOptions,
): Promise<ExitCode> {
  const { now, catalog, requestList } = installation
  const { service } = filter
  const shown = watch ? Math.min(limit, rowsOnScreen(context)) : limit
  const { newest, next } = await readPages(
    requestList,
    { ...filter, olderThanSeconds: olderThan },
    { limit: shown, all },
  )
  // Requests may outlive their service, so a service that is unknown here may still have some.
  if (newest.length === 0 && service !== undefined && !catalog.find(service)) {
    const known = catalog.all().map(({ slug }) => slug)
    context.printError(`halfway: there is no service "${service}"; there are: ${known.join(', ') || 'none'}.`)
    return EXIT.usage
  }
  const views = newest.map((record) => toPublicView(record, now()))
  if (context.json) context.printJson(views, { inOneLine: watch })
  else if (views.length === 0) context.print('No requests found.')
  else {
    context.printTable([HEADING, ...views.map((view) => row(view, now()))], OPTIONAL)
    if (next !== null && views.length === shown) context.print('… and more, see --limit.')
    else context.print(plural(views.length, 'request'))
  }
  if (next !== null && views.length < shown)
    context.printError('halfway: only the newest requests were looked at; --all looks at all.')
  return EXIT.done
}

/** Page by page: a filter may match few of many requests. */
async function readPages(
  list: RequestList,
  filter: RequestFilter,
  { limit, all = false }: { limit: number; all?: boolean },
): Promise<RequestPage> {
  const page = await list.read(filter, limit)
  while (all && page.next !== null && page.newest.length < limit) {
    const { newest, next } = await list.read(filter, limit - page.newest.length, page.next)
    page.newest.push(...newest)
    page.next = next
  }
  return page
}

/** Without heading, last line and cursor: what scrolls away is not seen again. */
const rowsOnScreen = ({ out }: Context): number =>
  out.isTTY && out.rows ? Math.max(1, out.rows - 3) : Number.POSITIVE_INFINITY

const HEADING = ['HASH', 'REFERENCE', 'SERVICE', 'STATUS', 'PROGRESS', 'STEP', 'ATTEMPT', 'AGE', 'DELETED IN']
const OPTIONAL = ['HASH', 'DELETED IN', 'ATTEMPT']

function row(view: PublicView, now: number): Cell[] {
  const since = (iso: string): string => duration((now - Date.parse(iso)) / 1000)
  const until = (iso: string): string => duration((Date.parse(iso) - now) / 1000)
  return [
    view.hash,
    shortReference(view.hash),
    view.service_slug,
    isScheduled(view) && Date.parse(view.run_at ?? '') > now
      ? `in ${until(view.run_at ?? '')}`
      : styledStatus(view.status),
    `${view.progress} %`,
    view.step,
    view.attempt === 0 ? null : `${view.attempt}/${view.max_attempts}`,
    since(view.created_at),
    until(view.expires_at),
  ]
}
