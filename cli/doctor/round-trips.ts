/** Checks pub/sub and the queues with a test message and test jobs that belong to no request. */

import { queuesOf } from '../../core/catalog/catalog.ts'
import type { ServiceQueue } from '../../core/catalog/queue-definition.ts'
import { createRequestHash } from '../../core/domain/request-id.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { openNats } from '../../core/pubsub/nats-link.ts'
import type { QueueState } from '../../core/queue/queue-stats.ts'
import { queuesWithoutWorker } from '../../core/queue/worker-heartbeat.ts'
import { type Installation, quiet } from '../installation.ts'
import { type Finding, ok, tryCheck } from './check-result.ts'

const MESSAGE_TIMEOUT_MS = 3_000
const JOB_TIMEOUT_MS = 5_000
/** For a queue without the heartbeat of a worker. */
const JOB_TIMEOUT_WITHOUT_WORKER_MS = 1_000
const POLL_INTERVAL_MS = 50

/** By the way of the servers: through Redis, and with NATS_URL also through a bridge and NATS. */
export async function checkChannel({ redis, subscriber, config, now }: Installation): Promise<Finding[]> {
  const check = 'Live updates'
  const nats = config.nats && (await openNats(config.nats, { name: 'cli', log: quiet }))
  const channels = createChannelSubscriber({ redis, subscriber: nats ?? (await subscriber()), log: quiet })
  try {
    const hash = createRequestHash(now())
    let onMessage = (): void => {}
    const received = new Promise<boolean>((resolve) => {
      onMessage = () => resolve(true)
      setTimeout(resolve, MESSAGE_TIMEOUT_MS, false).unref()
    })
    await channels.subscribe(hash, { onMessage, onGap: () => {} })
    const startedAt = performance.now()
    await channels.publishHint(hash)
    if (await received)
      return [
        ok(
          check,
          `a published message came back ${nats ? 'over NATS ' : ''}after ${Math.round(performance.now() - startedAt)} ms`,
        ),
      ]
    const todo = nats
      ? 'Start a bridge: npm run start:bridge. Where one runs, look at its log.'
      : 'Check whether an ACL or a proxy blocks PUBLISH and SUBSCRIBE.'
    return [{ check, result: 'fail', found: 'a published message did not come back', todo }]
  } finally {
    channels.stop()
    await nats?.stop()
  }
}

/** Adds a job to each queue. The worker that takes it finds no such request and does nothing. */
export async function checkJobs(installation: Installation): Promise<Finding[]> {
  const findings = queuesOf(installation.catalog).map((queue) =>
    tryCheck(`Queue ${queue.name}`, async () => [await checkQueue(installation, queue)]),
  )
  return (await Promise.all(findings)).flat()
}

async function checkQueue(
  { redis, queues, queueStats, now }: Installation,
  queue: ServiceQueue,
): Promise<Finding> {
  const check = `Queue ${queue.name}`
  const hash = createRequestHash(now())
  const hasWorker = (await queuesWithoutWorker(redis, [queue.name])).length === 0
  const limitMs = hasWorker ? JOB_TIMEOUT_MS : JOB_TIMEOUT_WITHOUT_WORKER_MS
  await queues.probe(hash, queue)
  try {
    const startedAt = performance.now()
    while (performance.now() - startedAt < limitMs) {
      if (!(await queues.has(hash, queue)))
        return ok(check, `a job was taken after ${Math.round(performance.now() - startedAt)} ms`)
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS))
    }
  } finally {
    await queues.remove(hash, queue).catch(() => {})
  }
  const states = await queueStats.read()
  const state = states.find((one) => one.queue === queue.name) as QueueState
  return explainNotTaken(queue, state, hasWorker)
}

function explainNotTaken(
  { name, concurrency }: ServiceQueue,
  { running, held_seconds: held }: QueueState,
  hasWorker: boolean,
): Finding {
  const check = `Queue ${name}`
  if (held > 0) {
    const found = `held for ${held} s, because the bot is busy`
    return { check, result: 'warn', found, todo: 'Wait, or give the bot more capacity.' }
  }
  if (!hasWorker) {
    const todo = `Start workers that take it: npm run start:workers -- --queue ${name}`
    return { check, result: 'fail', found: 'no worker takes jobs from it', todo }
  }
  const found = `no worker took a job within ${JOB_TIMEOUT_MS / 1000} s, ${running} are running`
  const todo = `All may be busy: start more workers, raise WORKER_CONCURRENCY${concurrency ? ' or the concurrency of the queue' : ''}.`
  return { check, result: 'warn', found, todo }
}
