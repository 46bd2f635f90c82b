/** Commands of one event-loop tick are sent in one write, and stay separate commands. */
import { describe, expect, test, vi } from 'vitest'
import { openRedis, type RedisClient, type Role } from '../../../core/redis/connect.ts'
import { cleanUp } from '../../helpers/clean-up.ts'
import { eventually } from '../../helpers/eventually.ts'
import { quiet, useRedis } from '../../helpers/redis.ts'
import { startTcpProxy } from '../../helpers/tcp-proxy.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')

/** Counts the writes to the connection during `work`, and the commands in them. */
async function writesOf(connection: RedisClient, work: () => unknown) {
  const { stream } = connection as unknown as {
    stream: Record<'_write' | '_writev', (...args: never[]) => void>
  }
  const one = vi.spyOn(stream, '_write')
  const many = vi.spyOn(stream, '_writev')
  work()
  // Commands of this tick are sent before anything else happens.
  await new Promise<void>((resolve) => process.nextTick(resolve))
  const chunks = many.mock.calls.map(([given]) => (given as unknown as unknown[]).length)
  const counted = [...one.mock.calls.map(() => 1), ...chunks]
  one.mockRestore()
  many.mockRestore()
  return counted
}

const fifty = Array.from({ length: 50 }, (_, i) => i)

describe('commands of one event-loop tick', () => {
  test.each<Role>(['fail-fast', 'patient', 'subscriber'])(
    'commands of one tick on a %s connection are sent in one write',
    async (role) => {
      const connection = await redis.connections.connect(role)
      const answers: Promise<unknown>[] = []
      const writes = await writesOf(connection, () => {
        for (const i of fifty) answers.push(connection.get(`nothing:${i}`))
      })
      expect(writes).toEqual([50])
      expect(await Promise.all(answers)).toEqual(fifty.map(() => null))
    },
  )

  test('commands of one tick from different callers are sent in one write', async () => {
    const answers: Promise<unknown>[] = []
    const ask = async (i: number): Promise<void> => {
      // Each caller takes a different number of microtasks.
      for (let n = 0; n < i; n++) await null
      answers.push(client.set(`many:${i}`, i))
    }
    await client.ping()
    expect(await writesOf(client, () => fifty.map(ask))).toEqual([50])
    await Promise.all(answers)
    expect(await client.mget(fifty.map((i) => `many:${i}`))).toEqual(fifty.map(String))
  })

  test('commands of one write have separate results, including failures', async () => {
    await client.lpush('a-list', 'not a number')
    const outcomes = await Promise.allSettled(
      fifty.map((i) => (i % 10 === 9 ? client.incr('a-list') : client.set(`own:${i}`, i, 'GET'))),
    )
    expect(outcomes.map(({ status }) => status)).toEqual(
      fifty.map((i) => (i % 10 === 9 ? 'rejected' : 'fulfilled')),
    )
  })

  test('commands of different ticks are sent in different writes', async () => {
    expect(await writesOf(client, () => client.ping())).toEqual([1])
    expect(await writesOf(client, () => [client.ping(), client.ping()])).toEqual([2])
  })

  test('commands of one tick keep their order around a transaction', async () => {
    const [first, both, last] = await Promise.all([
      client.rpush('order', 'a'),
      client.multi().rpush('order', 'b').rpush('order', 'c').exec(),
      client.rpush('order', 'd'),
    ])
    expect([first, both?.map(([, length]) => length), last]).toEqual([1, [2, 3], 4])
    expect(await client.lrange('order', 0, -1)).toEqual(['a', 'b', 'c', 'd'])
  })
})

describe('when the connection breaks in the middle of fifty', () => {
  async function throughProxy(role: Role) {
    const url = new URL(redis.url)
    const target =
      url.protocol === 'unix:'
        ? { path: decodeURIComponent(url.pathname) }
        : { host: url.hostname, port: Number(url.port) }
    const proxy = await startTcpProxy(target)
    const { host, port } = proxy
    const connections = await openRedis(
      { kind: 'single', host, port, db: 0, ...(url.password && { password: url.password }) },
      quiet,
    )
    cleanUp(() => connections.stop())
    return { proxy, connection: await connections.connect(role) }
  }
  /** Bytes of about ten of the fifty commands, and of about twenty of their replies, of which ten arrive in any case. */
  const BROKEN = [
    ['requests', 400, 0],
    ['responses', 91, 10],
  ] as const
  const countTo = (count: number) => fifty.slice(1, count + 1)

  test.each(BROKEN)('%s, a patient connection completes all commands', async (of, bytes, least) => {
    const { proxy, connection } = await throughProxy('patient')
    const key = `patient:${of}`
    proxy.breakAfter(bytes, of)
    const answers = await Promise.all(fifty.map(() => connection.incr(key)))
    expect(answers).toEqual([...new Set(answers)].sort((a, b) => a - b))
    expect(answers.slice(0, least)).toEqual(countTo(least))
    expect(proxy.connections).toBe(2)
    expect(await connection.incr(key)).toBe((answers.at(-1) as number) + 1)
  })

  test.each(BROKEN)(
    '%s, a fail-fast connection rejects unanswered commands immediately',
    async (of, bytes, least) => {
      const { proxy, connection } = await throughProxy('fail-fast')
      proxy.breakAfter(bytes, of)
      const outcomes = await Promise.allSettled(fifty.map(() => connection.incr(`fast:${of}`)))
      expect(outcomes).not.toContainEqual({ status: 'rejected', reason: new Error('Command timed out') })
      const answered = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []))
      expect(answered).toEqual(countTo(answered.length))
      expect(outcomes.findIndex(({ status }) => status === 'rejected')).toBe(answered.length)
      expect(answered.length).toBeGreaterThanOrEqual(least)
      await eventually(async () => expect(await connection.ping()).toBe('PONG'))
    },
  )
})
