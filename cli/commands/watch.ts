/** `watch <hash>`: follows a request to its end. A bar on a terminal, one line a step elsewhere, one JSON a state. */
import { AppError } from '../../core/domain/errors.ts'
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher } from '../../core/pubsub/request-watcher.ts'
import { type Installation, quiet } from '../installation.ts'
import { type Context, EXIT, type ExitCode } from '../terminal.ts'
import { createBarRenderer } from '../watch/bar-renderer.ts'
import { createLineRenderer } from '../watch/line-renderer.ts'

/** How often the place in the queue is looked at: it moves without a new version. */
const LOOK_AT_QUEUE_MS = 2_000

/** @throws AppError `request_not_found`, `request_expired` */
export async function watch(context: Context, installation: Installation, hash: string): Promise<ExitCode> {
  const { store, requests, redis, config, now } = installation
  const bus = createChannelSubscriber({ redis, subscriber: await installation.subscriber(), log: quiet })
  const live = createRequestWatcher({ store, bus, log: quiet, ttlSeconds: config.requestTtlSeconds, now })
  const isInteractive = Boolean(context.out.isTTY && context.input.isTTY)
  const face =
    isInteractive && !context.json ? createBarRenderer(context, requests) : createLineRenderer(context)

  let latest = await requests.view(hash)
  let changed = new AbortController()
  let error: AppError | null = null
  const hear = (view: PublicView): void => {
    const isOpen = isSameQuestion(latest, view)
    latest = view
    if (!isOpen) changed.abort()
  }
  const following = await live.watch(hash, {
    update: ({ view }) => hear(view),
    expired() {
      error = new AppError('request_expired', { detail: `${hash} has been deleted.` })
      changed.abort()
    },
  })
  context.signal.addEventListener('abort', () => changed.abort())
  const look = setInterval(() => {
    if (latest.status !== 'pending') return
    requests.view(hash).then(
      (view) => view.queue_position !== latest.queue_position && hear(view),
      () => {},
    )
  }, LOOK_AT_QUEUE_MS)
  try {
    if (following.latest.view.version > latest.version) latest = following.latest.view
    for (;;) {
      if (error) throw error
      if (isFinal(latest.status) || context.signal.aborted) break
      changed = new AbortController()
      await face.show(latest, changed.signal)
      if (!changed.signal.aborted)
        await new Promise((resolve) => changed.signal.addEventListener('abort', resolve))
    }
    face.end(latest)
    return latest.is_completed ? EXIT.done : EXIT.failed
  } finally {
    clearInterval(look)
    following.stop()
    live.stop()
    bus.stop()
  }
}

/** Whoever is typing is not interrupted by what does not matter to it. */
const isSameQuestion = ({ otp_data: before }: PublicView, { otp_data: after }: PublicView): boolean =>
  before !== null && after !== null && before.id === after.id && before.attempts_left === after.attempts_left
