/** A worker that cannot connect to Redis at the moment its queue appears. */
import { expect, test } from 'vitest'
import { openRedis } from '../../core/redis/connect.ts'
import { parseRedisAddress } from '../../core/runtime/redis-address.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { startTcpProxy } from '../helpers/tcp-proxy.ts'
import { success } from './foreign-bot.ts'
import { useLines } from './line.ts'

const NOWHERE = { host: '127.0.0.1', port: 1 }

const redis = await useRedis()
const { useLine, ended } = await useLines(redis)

test('a worker that cannot connect when its queue appears takes jobs once it can', async () => {
  const address = parseRedisAddress(redis.url)
  const proxy = await startTcpProxy(address)
  const password = address.password === undefined ? '' : `:${address.password}@`
  const url = `redis://${password}${proxy.host}:${proxy.port}`
  const connections = await openRedis({ kind: 'single', url }, quiet)
  cleanUp(() => connections.stop())
  const client = await connections.connect('patient')
  const before = proxy.connections
  proxy.redirectTo(NOWHERE)
  const line = useLine()
  line.work({ redis: client })
  await eventually(() => expect(proxy.connections).toBeGreaterThan(before))
  proxy.redirectTo(address)
  // It may find the first one without having waited for it.
  for (const _ of ['first', 'second', 'third']) {
    const hash = await line.submit({ replies: [success()] })
    expect(await ended(hash)).toMatchObject({ status: 'completed' })
  }
})
