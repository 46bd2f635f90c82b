/** A Redis whose memory is nearly used up. */
import { expect, test } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { START } from '../helpers/record.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'
import { CREDIT_SCORE, useServer } from '../helpers/server.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('patient')
const { api, given, apply } = await useServer(testRedis)
const submit = async () => (await api.post('/api/local-requests').send(CREDIT_SCORE)).status

test.skipIf(!onRealRedis)(
  'a nearly full Redis refuses new requests, while those that exist go on (needs redis-server)',
  async () => {
    expect(await submit()).toBe(202)
    const running = await given([START])
    // So that the last 3 % have room for what connections and scripts take.
    await redis.setrange('ballast', 20_000_000, 'x')
    const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
    await redis.config('SET', 'maxmemory-policy', 'noeviction', 'maxmemory', String(Math.round(used / 0.97)))
    try {
      await eventually(async () => expect(await submit()).toBe(503), { everyMs: 50 })
      const { body, headers } = await api.post('/api/local-requests').send(CREDIT_SCORE)
      expect(body).toMatchObject({ code: 'queue_full', detail: expect.stringContaining('nearly full') })
      expect(headers['retry-after']).toBe('30')
      await apply(running, { type: 'complete', attempt: 1, result: { score: 1 } })
    } finally {
      await redis.config('SET', 'maxmemory', '0')
    }
    await eventually(async () => expect(await submit()).toBe(202), { everyMs: 50 })
  },
)
