import { expect, it } from 'vitest'
import { createLabelLimit } from '../../../core/runtime/label-limit.ts'
import { createMetrics } from '../../../core/runtime/metrics.ts'

it('a label has at most so many values, and the others are one', () => {
  const limit = createLabelLimit(2)
  expect(['a', 'b', 'c', 'a', 'd', 'b'].map(limit)).toEqual(['a', 'b', 'other', 'a', 'other', 'b'])
})

it('a process exports its own metrics, and two registries do not share them', async () => {
  const [server, workers] = [createMetrics('server'), createMetrics('workers')]
  workers.workerJobs.inc({ queue: 'inquiries' })
  server.redisUp.set(1)
  expect(await workers.scrape()).toContain('halfway_worker_jobs_total{queue="inquiries"} 1')
  expect(await workers.scrape()).not.toContain('halfway_redis_up')
  expect(await server.scrape()).not.toContain('halfway_worker_jobs_total')
})

it('a scrape waits for what is read for it', async () => {
  const metrics = createMetrics('server')
  metrics.onScrape(async () => {
    await Promise.resolve()
    metrics.redisUp.set(1)
  })
  expect(await metrics.scrape()).toContain('halfway_redis_up 1')
})
