/** The workers of a process on a queue with lanes. */
import { expect, test } from 'vitest'
import { createCatalog } from '../../core/catalog/catalog.ts'
import { createQueueWorkers } from '../../workers/queue-workers.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { success } from './foreign-bot.ts'
import { useLines } from './line.ts'

const { useLine, ended } = await useLines(await useRedis())

test('the workers of a queue take the jobs of all its lanes, and are named as one', async () => {
  const line = useLine({ limits: { lanes: 4 } })
  const hashes = await Promise.all(Array.from({ length: 24 }, () => line.submit({ replies: [success()] })))
  const opened: string[] = []
  const workers = createQueueWorkers({
    catalog: { ...createCatalog([line.service]), onChange: () => {} },
    only: undefined,
    log: quiet,
    open(queue, lane) {
      opened.push(lane)
      return line.work({ queue, lane })
    },
  })
  cleanUp(() => workers.stop())
  const { name } = line.queue
  expect(opened).toEqual([name, `${name}.1`, `${name}.2`, `${name}.3`])
  for (const hash of hashes) expect(await ended(hash)).toMatchObject({ status: 'completed', queue: name })
  expect(workers.taken()).toEqual([name])
  // A job ends a moment after its request.
  await eventually(() => expect(workers.running()).toEqual([[name, 0]]))
})
