/** Reads of one event-loop tick share one command. */
import { describe, expect, test } from 'vitest'
import type { RedisClient } from '../../../core/redis/connect.ts'
import { createBatchedGet, type GetValue, type Value, WRONG_TYPE } from '../../../core/store/batched-get.ts'
import { eventually } from '../../helpers/eventually.ts'
import { onRealRedis, useRedis } from '../../helpers/redis.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')

/** Reads on a connection that records its commands: `get 1` is a GET, `mget 7` one command for seven keys. */
function counted(connection: RedisClient = client) {
  const asked: string[] = []
  const counting = new Proxy(connection, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        asked.push(`${String(name)} ${args.flat().length}`)
        return Reflect.apply(value, target, args)
      }
    },
  }) as RedisClient
  return { asked, read: createBatchedGet(counting) }
}

/** This many keys with this name, each with a value of its own. */
async function given(name: string, count: number): Promise<string[]> {
  const keys = Array.from({ length: count }, (_, i) => `${name}:${i}`)
  await client.mset(keys.flatMap((key) => [key, `value of ${key}`]))
  return keys
}
const valuesOf = (keys: string[]): string[] => keys.map((key) => `value of ${key}`)
const allOf = (keys: string[], read: GetValue) => Promise.all(keys.map((key) => read(key)))

describe('reads of one event-loop tick', () => {
  test('reads of one tick take one command and each returns its own value', async () => {
    const { asked, read } = counted()
    const keys = await given('own', 20)
    expect(await allOf(keys, read)).toEqual(valuesOf(keys))
    expect(asked).toEqual(['mget 20'])
  })

  test('independent reads of one tick take one command', async () => {
    const { asked, read } = counted()
    const keys = await given('strangers', 3)
    const ask = async (key: string) => {
      // Each caller takes a different number of microtasks.
      for (let i = 0; i < key.length; i++) await null
      return read(key)
    }
    expect(await allOf(keys, ask)).toEqual(valuesOf(keys))
    expect(asked).toEqual(['mget 3'])
  })

  test('a single read is a GET', async () => {
    const { asked, read } = counted()
    const [key = ''] = await given('alone', 1)
    expect(await read(key)).toBe(`value of ${key}`)
    expect(await read('alone:nothing')).toBeNull()
    expect(asked).toEqual(['get 1', 'get 1'])
  })

  test('two reads of the same key in one tick both return its value', async () => {
    const { asked, read } = counted()
    const [key = ''] = await given('twice', 1)
    expect(await allOf([key, key], read)).toEqual(valuesOf([key, key]))
    expect(asked).toEqual(['mget 2'])
  })

  test('a missing key reads as null, an empty value as an empty text', async () => {
    const { read } = counted()
    const [key = ''] = await given('some', 1)
    await client.set('some:empty', '')
    expect(await allOf(['some:nothing', key, 'some:empty', 'some:more'], read)).toEqual([
      null,
      `value of ${key}`,
      '',
      null,
    ])
  })

  test('a list reads as WRONG_TYPE, alone or in a batch', async () => {
    const { read } = counted()
    const [key = ''] = await given('typed', 1)
    await client.lpush('typed:list', 'not a text')
    expect(await read('typed:list')).toBe(WRONG_TYPE)
    expect(await allOf([key, 'typed:list', 'typed:nothing'], read)).toEqual([
      `value of ${key}`,
      WRONG_TYPE,
      null,
    ])
  })

  test('a batch has at most a hundred keys', async () => {
    const { asked, read } = counted()
    const keys = await given('many', 201)
    expect(await allOf(keys, read)).toEqual(valuesOf(keys))
    expect(asked).toEqual(['mget 100', 'mget 100', 'get 1'])
  })

  test('a read returns what is written in the same tick, also after the call', async () => {
    const { read } = counted()
    const [key = ''] = await given('written', 1)
    const before = read(key)
    const written = client.set(key, 'later')
    expect(await Promise.all([before, written, read(key)])).toEqual(['later', 'OK', 'later'])
  })
})

test('reads of different ticks are different commands', async () => {
  const { asked, read } = counted()
  const [key = ''] = await given('turns', 1)
  const first = read(key)
  const turn = new Promise((resolve) => setImmediate(resolve))
  await turn
  await client.set(key, 'another')
  expect(await Promise.all([first, read(key)])).toEqual([`value of ${key}`, 'another'])
  expect(asked).toEqual(['get 1', 'get 1'])
})

// Last: the Redis of this file comes back empty.
describe.runIf(onRealRedis)('while Redis is away', () => {
  test('reads during an outage fail, later ones succeed', async () => {
    const connection = await redis.connections.connect('fail-fast')
    const { asked, read } = counted(connection)
    const keys = Array.from({ length: 150 }, (_, i) => `away:${i}`)
    const outcomes = (): Promise<PromiseSettledResult<Value | null>[]> =>
      Promise.allSettled(keys.map((key) => read(key)))
    await redis.stop()
    for (const { status } of await outcomes()) expect(status).toBe('rejected')
    expect(asked).toEqual(['mget 100', 'mget 50'])
    await redis.restart()
    await eventually(async () => {
      for (const outcome of await outcomes()) expect(outcome).toEqual({ status: 'fulfilled', value: null })
    })
  })

  test('all reads of an unanswered batch fail', async () => {
    const connection = await redis.connections.connect('fail-fast')
    const { read } = counted(connection)
    const pid = Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1])
    process.kill(pid, 'SIGSTOP')
    try {
      const outcomes = await Promise.allSettled(['hang:1', 'hang:2', 'hang:3'].map((key) => read(key)))
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await eventually(async () => expect(await read('hang:1')).toBeNull())
  })
})
