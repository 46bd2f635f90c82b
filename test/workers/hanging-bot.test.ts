/** A bot that takes every call and never answers, beside one that does. */
import { expect, test } from 'vitest'
import { loadConfig } from '../../core/runtime/config.ts'
import { createBotLeases } from '../../core/store/bot-leases.ts'
import type { AnnouncedBot } from '../../core/store/service-registry.ts'
import { createBotRouter } from '../../workers/bot-router.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { silence, startForeignBot, success } from './foreign-bot.ts'
import { useLines } from './line.ts'

const { client, bot: good, useLine, record, ended } = await useLines(await useRedis())
const WORKER_CONCURRENCY = 6
const REQUESTS = 40

test('a bot that hangs every call holds half of the slots, each for the time limit, and is then avoided', async () => {
  const hanging = await startForeignBot()
  cleanUp(() => hanging.stop())
  const line = useLine({ limit_seconds: 3 })
  const other = useLine()
  const bots = [hanging, good].map(
    ({ url: address }): AnnouncedBot => ({
      slug: line.service.slug,
      address,
      name: 'default',
      concurrency: 100,
    }),
  )
  const leases = createBotLeases({ redis: client, log: quiet, now: Date.now })
  cleanUp(() => leases.stop())
  const router = createBotRouter({
    catalog: {
      hasBots: () => true,
      botsOf: () => bots,
      findBot: (_slug, address) => bots.find((bot) => bot.address === address),
    },
    leases,
    settings: loadConfig({}).bots,
    log: quiet,
  })
  const submit = async (): Promise<string> => {
    const hash = await line.submit({ replies: [success('done')] })
    hanging.replies(hash, silence)
    return hash
  }
  const hashes = await Promise.all(Array.from({ length: REQUESTS }, submit))
  line.work({ bots: router, concurrency: WORKER_CONCURRENCY })
  await eventually(() => expect(hashes.some((hash) => hanging.calls(hash).length > 0)).toBe(true))

  // Others do not notice.
  const others = await Promise.all([1, 2, 3].map(() => other.submit({ replies: [success('other')] })))
  other.work()
  const ends = await Promise.all(hashes.map(ended))
  const othersEnds = await Promise.all(others.map(ended))
  expect(othersEnds.map(({ status }) => status)).toEqual(Array(3).fill('completed'))

  const hung = hashes.filter((hash) => hanging.calls(hash).length > 0)
  expect(hung.length).toBeLessThanOrEqual(WORKER_CONCURRENCY / 2)
  const failed = ends.filter(({ status }) => status === 'failed')
  expect(failed.map(({ hash }) => hash).sort()).toEqual([...hung].sort())
  for (const { error_data, completed_at, deadline_at } of failed) {
    expect(error_data).toMatchObject({ code: 'timed_out', retryable: true })
    expect(Date.parse(completed_at ?? '')).toBeGreaterThanOrEqual(Date.parse(deadline_at ?? ''))
  }
  expect(ends.filter(({ status }) => status === 'completed')).toHaveLength(REQUESTS - hung.length)
  // The worker has closed the calls, and gives the bot no more for now.
  await Promise.all(hung.map((hash) => hanging.calls(hash)[0]?.hungUp))
  const later = await Promise.all(Array.from({ length: 10 }, submit))
  expect((await Promise.all(later.map(ended))).map(({ status }) => status)).toEqual(
    Array(10).fill('completed'),
  )
  expect(later.flatMap((hash) => hanging.calls(hash))).toEqual([])
  expect((await record(later[0] as string)).result_data).toBe('done')
})
