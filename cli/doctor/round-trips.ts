/** Whether what is published is heard, and what is queued is taken: tried with a message and a job of nobody's. */

import { allQueues } from '../../core/catalog/index.ts'
import type { ServiceQueue } from '../../core/catalog/queue-definitions.ts'
import { createRequestHash } from '../../core/domain/request-id.ts'
import { createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import type { QueueState } from '../../core/queue/queue-stats.ts'
import { queuesWithoutWorker } from '../../core/queue/worker-heartbeat.ts'
import { type Installation, quiet } from '../installation.ts'
import { type Finding, ok, tryCheck } from './check-result.ts'

const HEARD_WITHIN_MS = 3_000
const TAKEN_WITHIN_MS = 5_000
/** Where no worker has announced that it takes jobs from the queue. */
const TAKEN_WITHOUT_WORKER_WITHIN_MS = 1_000
const LOOK_EVERY_MS = 50

export async function checkChannel({ redis, subscriber, now }: Installation): Promise<Finding[]> {
  const check = 'Live updates'
  const bus = createChannelSubscriber({ redis, subscriber: await subscriber(), log: quiet })
  try {
    const hash = createRequestHash(now())
    let heard = (): void => {}
    const message = new Promise<boolean>((resolve) => {
      heard = () => resolve(true)
      setTimeout(resolve, HEARD_WITHIN_MS, false).unref()
    })
    await bus.watch(hash, { message: heard, gap: () => {} })
    const begun = performance.now()
    await bus.publishHint(hash)
    if (await message)
      return [ok(check, `a published message came back after ${Math.round(performance.now() - begun)} ms`)]
    const todo = 'Look whether its ACL or a proxy keeps PUBLISH and SUBSCRIBE away.'
    return [{ check, result: 'fail', found: 'a published message did not come back', todo }]
  } finally {
    bus.stop()
  }
}

/** A job of each queue: whoever takes it finds no request of that name, and lets it go. */
export async function checkJobs(installation: Installation): Promise<Finding[]> {
  const findings = allQueues().map((queue) =>
    tryCheck(`Queue ${queue.name}`, async () => [await checkQueue(installation, queue)]),
  )
  return (await Promise.all(findings)).flat()
}

async function checkQueue(
  { redis, queues, census, now }: Installation,
  queue: ServiceQueue,
): Promise<Finding> {
  const check = `Queue ${queue.name}`
  const hash = createRequestHash(now())
  const hasWorker = (await queuesWithoutWorker(redis, [queue.name])).length === 0
  const limitMs = hasWorker ? TAKEN_WITHIN_MS : TAKEN_WITHOUT_WORKER_WITHIN_MS
  await queues.probe(hash, queue)
  try {
    const begun = performance.now()
    while (performance.now() - begun < limitMs) {
      if (!(await queues.has(hash, queue)))
        return ok(check, `a job was taken after ${Math.round(performance.now() - begun)} ms`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  } finally {
    await queues.remove(hash, queue).catch(() => {})
  }
  const states = await census.read()
  const state = states.find((one) => one.queue === queue.name) as QueueState
  return notTaken(queue, state, hasWorker)
}

function notTaken(
  { name, maxConcurrent }: ServiceQueue,
  { running, held_seconds: held }: QueueState,
  hasWorker: boolean,
): Finding {
  const check = `Queue ${name}`
  if (held > 0) {
    const found = `nothing is taken for ${held} s: the bot said that it has too much to do`
    return { check, result: 'warn', found, todo: 'Wait, or give the bot more room.' }
  }
  if (!hasWorker) {
    const todo = `Start workers that take it: npm run start:workers -- --queue ${name}`
    return { check, result: 'fail', found: 'no worker takes jobs from it', todo }
  }
  const found = `no worker took a job within ${TAKEN_WITHIN_MS / 1000} s, ${running} are running`
  const todo = `All may be busy: start more workers, raise WORKER_CONCURRENCY${maxConcurrent ? ' or the queue’s atOnce' : ''}.`
  return { check, result: 'warn', found, todo }
}
