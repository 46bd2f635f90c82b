/** `list`: the requests there are. */
import { isScheduled, type PublicView, publicView, type Status } from '../../core/record.ts'
import type { Installation } from '../installation.ts'
import { brief, type Context, duration, EXIT, type ExitCode, plural, table } from '../terminal.ts'

/** As many as the list holds. */
const ALL = 10_000
const AT_ONCE = 500

export async function list(
  context: Context,
  installation: Installation,
  { status, service, limit }: { status?: Status; service?: string; limit: number },
): Promise<ExitCode> {
  const { now } = installation
  const views: PublicView[] = []
  let hidden = 0
  for await (const view of newestFirst(installation)) {
    if (status && view.status !== status) continue
    if (service && view.service_slug !== service) continue
    if (views.length < limit) views.push(view)
    else hidden++
  }
  if (context.json) context.printJson(views)
  else if (views.length === 0) context.print('There are no such requests.')
  else {
    context.print(...table([HEADING, ...views.map((view) => row(view, now()))]))
    if (hidden > 0) context.print(`… and ${hidden} more, see --limit.`)
    else context.print(plural(views.length, 'request'))
  }
  return EXIT.done
}

/** What is listed, and what somebody is reminded of: a request for tomorrow outlives the list. */
async function* newestFirst({ store, deadlines, now }: Installation): AsyncGenerator<PublicView> {
  const [listed, reminded] = await Promise.all([store.latest(ALL), deadlines.all()])
  const hashes = [...new Set([...listed, ...reminded])]
  const views: PublicView[] = []
  for (let from = 0; from < hashes.length; from += AT_ONCE) {
    const some = hashes.slice(from, from + AT_ONCE)
    // What another program left as nonsense is no reason to see nothing of the others.
    const stored = await Promise.all(some.map((hash) => store.read(hash).catch(() => null)))
    for (const one of stored) if (one) views.push(publicView(one.record, now()))
  }
  yield* views.sort((a, b) => b.created_at.localeCompare(a.created_at))
}

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
