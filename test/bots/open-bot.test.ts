/** A bot as a part of another program (`createBot` of `halfway/bot`). */
import { expect, it } from 'vitest'
import { openBot } from '../../bots/bot-server/open-bot.ts'
import { defineService } from '../../bots/index.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { createServiceRegistry } from '../../core/store/service-registry.ts'
import { quiet, useRedis } from '../helpers/redis.ts'

const redis = await useRedis()
const service = defineService({ slug: 'part', title: 'Part' }, async () => null)

it('a bot announces its services at its address, and stops once', async () => {
  const port = await freePort()
  const options = { services: [service], redis: redis.url, token: 'a-token-of-the-tests', port, log: quiet }
  const bot = await openBot({ ...options, stopOnSignals: false }, {})
  expect(bot.address).toBe(`http://127.0.0.1:${port}`)
  const client = await redis.connections.connect('patient')
  expect(JSON.stringify(await createServiceRegistry({ redis: client, now: Date.now }).read())).toContain(
    bot.address,
  )
  const headers = { authorization: 'Bearer a-token-of-the-tests' }
  expect(await (await fetch(`${bot.address}/api/services`, { headers })).json()).toEqual({
    services: ['part'],
  })
  await Promise.all([bot.stop(), bot.stop()])
  await expect(fetch(bot.address)).rejects.toThrow('fetch failed')
})

it('a bot that cannot start leaves nothing open and says why', async () => {
  const options = { services: [service], redis: redis.url, log: quiet, stopOnSignals: false }
  await expect(openBot({ ...options, concurrency: 0 }, {})).rejects.toThrow('BOT_CONCURRENCY')
})
