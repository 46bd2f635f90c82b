/** `queues`: the state of each queue. */
import type { Installation } from '../installation.ts'
import { type Context, duration, EXIT, type ExitCode, table } from '../terminal.ts'

export async function queues(
  context: Context,
  { queueStats, failures, catalog }: Installation,
): Promise<ExitCode> {
  const [states, failed] = await Promise.all([queueStats.read(), failures.list()])
  const queueOf = new Map(catalog.all().map(({ slug, queue }) => [slug, queue.name]))
  const rows = states.map((state) => ({
    ...state,
    failed: failed.filter(({ service_slug }) => queueOf.get(service_slug) === state.queue).length,
  }))
  if (context.json) context.printJson(rows)
  else {
    const cells = rows.map((one) => [
      one.queue,
      one.waiting,
      one.at_once === null ? one.running : `${one.running} of ${one.at_once}`,
      one.delayed,
      one.failed,
      one.oldest_seconds === null ? null : duration(one.oldest_seconds),
      one.held_seconds === 0 ? null : duration(one.held_seconds),
    ])
    context.print(
      ...table([['QUEUE', 'WAITING', 'RUNNING', 'DELAYED', 'FAILED', 'OLDEST WAITS', 'HELD FOR'], ...cells]),
    )
  }
  return EXIT.done
}
