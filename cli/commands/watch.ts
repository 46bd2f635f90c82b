/** `watch`: follows a request to its end, with a bar on a terminal, else with lines, or JSON lines with `--json`. */
import { AppError } from '../../core/domain/errors.ts'
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher } from '../../core/pubsub/request-watcher.ts'
import { findRequest } from '../find-request.ts'
import { type Installation, quiet } from '../installation.ts'
import { type Context, EXIT, type ExitCode } from '../terminal.ts'
import { createBarRenderer } from '../watch/bar-renderer.ts'
import { createLineRenderer } from '../watch/line-renderer.ts'

/** How often the queue position is read: it changes without a new version. */
const POSITION_INTERVAL_MS = 2_000

/** @throws AppError `request_not_found`, `request_expired` */
export async function watch(context: Context, installation: Installation, name: string): Promise<ExitCode> {
  const hash = await findRequest(installation, name)
  const { store, requests, redis, now } = installation
  const channels = createChannelSubscriber({ redis, subscriber: await installation.subscriber(), log: quiet })
  const watcher = createRequestWatcher({ store, channels, log: quiet, now })
  const isInteractive = Boolean(context.out.isTTY && context.input.isTTY)
  const renderer =
    isInteractive && !context.json ? createBarRenderer(context, requests) : createLineRenderer(context)

  let latest = await requests.view(hash)
  let changed = new AbortController()
  let error: AppError | null = null
  const onView = (view: PublicView): void => {
    const isUnchanged = isSamePrompt(latest, view)
    latest = view
    if (!isUnchanged) changed.abort()
  }
  const subscription = await watcher.watch(hash, {
    onUpdate: ({ view }) => onView(view),
    onExpired() {
      error = new AppError('request_expired', { detail: `${hash} has expired.` })
      changed.abort()
    },
  })
  context.signal.addEventListener('abort', () => changed.abort())
  const positionTimer = setInterval(() => {
    if (latest.status !== 'pending') return
    requests.view(hash).then(
      (view) => view.queue_position !== latest.queue_position && onView(view),
      () => {},
    )
  }, POSITION_INTERVAL_MS)
  try {
    if (subscription.latest.view.version > latest.version) latest = subscription.latest.view
    for (;;) {
      if (error) throw error
      if (isFinal(latest.status) || context.signal.aborted) break
      changed = new AbortController()
      await renderer.show(latest, changed.signal)
      if (!changed.signal.aborted)
        await new Promise((resolve) => changed.signal.addEventListener('abort', resolve))
    }
    renderer.end(latest)
    return latest.is_completed ? EXIT.done : EXIT.failed
  } finally {
    clearInterval(positionTimer)
    subscription.stop()
    watcher.stop()
    channels.stop()
  }
}

/** An open prompt is interrupted only by a change of the prompt. */
const isSamePrompt = ({ otp_data: before }: PublicView, { otp_data: after }: PublicView): boolean =>
  before !== null && after !== null && before.id === after.id && before.attempts_left === after.attempts_left
