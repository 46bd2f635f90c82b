/** A worker whose user of Redis may not take jobs when its queue is opened. */
import { expect, test } from 'vitest'
import { openRedis } from '../../core/redis/connect.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { onRealRedis, quiet, useRedis } from '../helpers/redis.ts'
import { success } from './foreign-bot.ts'
import { useLines } from './line.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const { useLine, ended } = await useLines(redis)

const refusedEvals = async (): Promise<number> => {
  const stats = await client.info('commandstats')
  const of = (name: string) =>
    Number(new RegExp(`cmdstat_${name}:.*rejected_calls=(\\d+)`).exec(stats)?.[1] ?? 0)
  return of('evalsha') + of('eval')
}

test.skipIf(!onRealRedis)(
  'a worker that may run no script asks for jobs a few times a second, and takes them once it may',
  async () => {
    await client.call('ACL', 'SETUSER', 'worker', 'on', '>secret', '~*', '&*', '+@all', '-eval', '-evalsha')
    const url = redis.url.replace(/^(redis|unix):\/\/([^@/]*@)?/, '$1://worker:secret@')
    const connections = await openRedis({ kind: 'single', url }, quiet)
    cleanUp(() => connections.stop())
    const line = useLine()
    line.work({ redis: await connections.connect('patient') })
    const startedAt = performance.now()
    await eventually(async () => {
      expect(await refusedEvals()).toBeGreaterThan(0)
      expect(performance.now() - startedAt).toBeGreaterThan(1_000)
    })
    // Twice a second for each of its loops, instead of thousands of times.
    expect(await refusedEvals()).toBeLessThan(5 + 10 * ((performance.now() - startedAt) / 1_000))
    await client.call('ACL', 'SETUSER', 'worker', '+eval', '+evalsha')
    const hash = await line.submit({ replies: [success()] })
    expect(await ended(hash)).toMatchObject({ status: 'completed' })
  },
)
