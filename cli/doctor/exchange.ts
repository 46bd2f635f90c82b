/** Whether what is published is heard, and what is queued is taken: tried with a message and a job of nobody's. */
import { createHash } from '../../core/hash.ts'
import type { QueueState } from '../../core/redis/queue-census.ts'
import { createUpdateBus } from '../../core/redis/update-bus.ts'
import { allQueues } from '../../core/services/index.ts'
import type { ServiceQueue } from '../../core/services/queues.ts'
import { type Installation, quiet } from '../installation.ts'
import { type Finding, fine } from './finding.ts'

const HEARD_WITHIN_MS = 3_000
const TAKEN_WITHIN_MS = 5_000
const LOOK_EVERY_MS = 50

export async function checkChannel({ redis, subscriber, now }: Installation): Promise<Finding> {
  const check = 'Live updates'
  const bus = createUpdateBus({ redis, subscriber: await subscriber(), log: quiet })
  try {
    const hash = createHash(now())
    let heard = (): void => {}
    const message = new Promise<boolean>((resolve) => {
      heard = () => resolve(true)
      setTimeout(resolve, HEARD_WITHIN_MS, false).unref()
    })
    await bus.watch(hash, { message: heard, gap: () => {} })
    const begun = performance.now()
    await bus.hint(hash)
    if (await message)
      return fine(check, `a published message came back after ${Math.round(performance.now() - begun)} ms`)
    const todo = 'Look whether its ACL or a proxy keeps PUBLISH and SUBSCRIBE away.'
    return { check, result: 'fail', found: 'a published message did not come back', todo }
  } finally {
    bus.stop()
  }
}

/** A job of each queue: whoever takes it finds no request of that name, and lets it go. */
export async function checkJobs({ queues, census, now }: Installation): Promise<Finding[]> {
  const states = await census.count()
  return Promise.all(
    allQueues().map(async (queue) => {
      const state = states.find((one) => one.queue === queue.name) as QueueState
      const hash = createHash(now())
      await queues.probe(hash, queue)
      const begun = performance.now()
      while (performance.now() - begun < TAKEN_WITHIN_MS) {
        if (!(await queues.has(hash, queue)))
          return fine(
            `Queue ${queue.name}`,
            `a job was taken after ${Math.round(performance.now() - begun)} ms`,
          )
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
      }
      await queues.remove(hash, queue)
      return notTaken(queue, state)
    }),
  )
}

function notTaken({ name, atOnce }: ServiceQueue, { running, held_seconds: held }: QueueState): Finding {
  const check = `Queue ${name}`
  if (held > 0) {
    const found = `nothing is taken for ${held} s: the bot said that it has too much to do`
    return { check, result: 'warn', found, todo: 'Wait, or give the bot more room.' }
  }
  const found = `no worker took a job within ${TAKEN_WITHIN_MS / 1000} s, ${running} are running`
  if (running === 0) {
    const todo = `Start workers that take it: npm run start:workers -- --queue ${name}`
    return { check, result: 'fail', found, todo }
  }
  const todo = `All may be busy: start more workers, raise WORKER_CONCURRENCY${atOnce ? ' or the queue’s atOnce' : ''}.`
  return { check, result: 'warn', found, todo }
}
