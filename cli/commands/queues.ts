/** `queues`: the state of each queue; holding, resuming and limiting them. */
import type { ChosenLimits } from '../../core/store/operator-controls.ts'
import { audited } from '../audited.ts'
import type { Installation } from '../installation.ts'
import { styled } from '../layout.ts'
import { type Context, duration, EXIT, type ExitCode } from '../terminal.ts'

export async function queues(
  context: Context,
  { queueStats, controls, failures, catalog }: Installation,
): Promise<ExitCode> {
  const [states, failed, { held, limits }] = await Promise.all([
    queueStats.read(),
    failures.list(),
    controls.read(),
  ])
  const queueOf = new Map(catalog.all().map(({ slug, queue }) => [slug, queue.name]))
  const rows = states.map((state) => ({
    ...state,
    held: held.get(state.queue) ?? null,
    limits: limits.get(state.queue) ?? null,
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
      one.held || one.held_seconds > 0
        ? styled('yellow', one.held ? 'held' : `held for ${duration(one.held_seconds)}`)
        : null,
    ])
    const heading = ['QUEUE', 'WAITING', 'RUNNING', 'DELAYED', 'FAILED', 'OLDEST WAITS', 'STATE']
    context.printTable([heading, ...cells], ['DELAYED', 'FAILED'])
  }
  return EXIT.done
}

export async function holdQueue(
  context: Context,
  installation: Installation,
  queue: string,
  { message }: { message?: string },
): Promise<ExitCode> {
  await audited(installation, { action: 'hold', queue }, () => installation.operate.hold(queue, message))
  context.printDone({ queue, held: true }, `Held ${queue}: requests are accepted, and none starts.`)
  return EXIT.done
}

export async function resumeQueue(
  context: Context,
  installation: Installation,
  queue: string,
): Promise<ExitCode> {
  await audited(installation, { action: 'resume', queue }, () => installation.operate.resume(queue))
  context.printDone({ queue, held: false }, `Resumed ${queue}.`)
  return EXIT.done
}

export interface LimitFlags {
  concurrency?: number | 'none'
  rate?: { requests: number; seconds: number } | 'none'
  reset?: true
}

export async function limitQueue(
  context: Context,
  installation: Installation,
  queue: string,
  { reset, ...limits }: LimitFlags,
): Promise<ExitCode> {
  if (!reset && Object.keys(limits).length === 0) {
    context.printError('halfway: say --concurrency, --rate or --reset.')
    return EXIT.usage
  }
  const entries = Object.entries(limits).map(([name, value]) => [name, value === 'none' ? null : value])
  const chosen: ChosenLimits | null = reset ? null : Object.fromEntries(entries)
  const { concurrency, rate } = await audited(installation, { action: 'limit', queue }, () =>
    installation.operate.limit(queue, chosen),
  )
  const atOnce = concurrency === undefined ? 'any number' : String(concurrency)
  const starts = rate ? `${rate.requests} in ${duration(rate.seconds)}` : 'any number'
  context.printDone(
    { queue, concurrency: concurrency ?? null, rate: rate ?? null },
    `${queue}: ${atOnce} at once, ${starts} may start.`,
  )
  return EXIT.done
}
