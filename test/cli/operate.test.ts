/** `queues hold|resume|limit` and `services close|open`, and what they do to workers. */
import { expect, test } from 'vitest'
import { keysOf, openQueue } from '../../core/queue/bullmq.ts'
import { announceServices } from '../helpers/announced.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { useCli } from '../helpers/cli.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { creditScoreRating, linkCheck } from '../helpers/services.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')
await announceServices(client)
const cli = useCli(redis)
const crawls = openQueue(linkCheck.queue.name, client, quiet)
cleanUp(() => crawls.close())
const stateOf = async (queue: string) =>
  (await cli.json<{ queue: string; held: object | null; at_once: number | null }[]>('queues')).find(
    (one) => one.queue === queue,
  )

test('a held queue starts no job until it is resumed', async () => {
  const words = '  The portal is being repaired. '
  expect(await cli.run('queues', 'hold', 'crawls', '--message', words)).toMatchObject({ code: 0 })
  expect(await crawls.isPaused()).toBe(true)
  expect(await stateOf('crawls')).toMatchObject({ held: { message: 'The portal is being repaired.' } })
  expect((await cli.run('queues')).out).toMatch(/^crawls .* held$/m)
  await cli.run('queues', 'resume', 'crawls')
  expect(await crawls.isPaused()).toBe(false)
  expect(await stateOf('crawls')).toMatchObject({ held: null })
})

test('limits that an operator sets hold at once, until they are reset', async () => {
  const { out } = await cli.run('queues', 'limit', 'crawls', '--concurrency', '3', '--rate', '10/60')
  expect(out).toBe('crawls: 3 at once, 10 in 1 min may start.\n')
  expect(await client.hmget(keysOf(crawls).meta, 'concurrency', 'max', 'duration')).toEqual([
    '3',
    '10',
    '60000',
  ])
  expect(await stateOf('crawls')).toMatchObject({ at_once: 3, limits: { concurrency: 3 } })
  const none = await cli.run('queues', 'limit', 'crawls', '--concurrency', 'none', '--rate', 'none')
  expect(none.out).toBe('crawls: any number at once, any number may start.\n')
  expect(await stateOf('crawls')).toMatchObject({ at_once: null, limits: { concurrency: null, rate: null } })
  await cli.run('queues', 'limit', 'crawls', '--reset')
  expect(await stateOf('crawls')).toMatchObject({
    at_once: linkCheck.queue.concurrency ?? null,
    limits: null,
  })
})

test('services are listed with their state, and closed and opened', async () => {
  const { slug } = creditScoreRating
  const stateOf = async () =>
    (await cli.json<{ service: string }[]>('services')).find(({ service }) => service === slug)
  expect(await stateOf()).toMatchObject({ state: 'open', closed: null })
  await cli.run('services', 'close', slug, '--message', 'Back on Monday.')
  expect(await stateOf()).toMatchObject({
    state: 'closed',
    closed: { message: 'Back on Monday.', by: 'operator' },
  })
  expect((await cli.run('services')).out).toMatch(new RegExp(`^${slug} .* closed .* Back on Monday\\.$`, 'm'))
  await cli.run('services', 'open', slug)
  expect(await stateOf()).toMatchObject({ state: 'open' })
})

test('with --json each action prints what holds now', async () => {
  const { slug } = creditScoreRating
  expect(await cli.json('queues', 'hold', 'crawls')).toEqual({ queue: 'crawls', held: true })
  expect(await cli.json('queues', 'resume', 'crawls')).toEqual({ queue: 'crawls', held: false })
  const limits = { concurrency: 3, rate: { requests: 10, seconds: 60 } }
  expect(await cli.json('queues', 'limit', 'crawls', '--concurrency', '3', '--rate', '10/60')).toEqual({
    queue: 'crawls',
    ...limits,
  })
  await cli.run('queues', 'limit', 'crawls', '--reset')
  expect(await cli.json('services', 'close', slug)).toEqual({ service: slug, closed: true })
  expect(await cli.json('services', 'open', slug)).toEqual({ service: slug, closed: false })
})

test.each([
  [['queues', 'hold', 'nowhere'], 1, /There is no queue "nowhere"; there are: .*crawls/],
  [['services', 'close', 'nothing'], 1, /There is no service "nothing"; there are: /],
  [['queues', 'limit', 'crawls'], 2, /say --concurrency, --rate or --reset/],
  [['queues', 'limit', 'crawls', '--rate', '0/60'], 2, /10\/60/],
  [['queues', 'limit', 'crawls', '--concurrency', '0'], 2, /1/],
])('%j is refused', async (args, code, words) => {
  const run = await cli.run(...args)
  expect(run.code).toBe(code)
  expect(run.err).toMatch(words)
})
