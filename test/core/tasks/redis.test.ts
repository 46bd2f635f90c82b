/** Failures of the redis driver: processors and callers that die, and no processor. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseProcessorArguments } from '../../../bots/concurrency-processor/options.ts'
import { loadConfig } from '../../../core/runtime/config.ts'
import { openConcurrency } from '../../../core/tasks/compose.ts'
import { createRedisDriver } from '../../../core/tasks/drivers/redis.ts'
import { createConcurrencyNames } from '../../../core/tasks/protocol.ts'
import { task } from '../../../core/tasks/task.ts'
import type { TaskError } from '../../../core/tasks/task-errors.ts'
import { createConcurrency } from '../../../core/tasks/task-runner.ts'
import { type Child, startChild } from '../../helpers/child.ts'
import { eventually } from '../../helpers/eventually.ts'
import { double, fail, journal, where } from '../../helpers/fixtures/tasks.ts'
import { quiet, useFolder, useRedis } from '../../helpers/redis.ts'
import { collectLog } from '../../helpers/server.ts'

const TASKS = new URL('../../helpers/fixtures/tasks.ts', import.meta.url).href
const redis = await useRedis()
const client = await redis.connections.connect('patient')
const folder = useFolder()
const PATIENT = { withinMs: 25_000, everyMs: 100 }

let made = 0
/** A journal of its own, and the callers and processors of a prefix, by default one of its own. */
function usePlace(prefix = `place-${made + 1}`) {
  made++
  const [file, until] = [join(folder, `${made}.journal`), join(folder, `${made}.until`)]
  const settings = { REDIS_URL: redis.url, CONCURRENCY_DRIVER: 'redis', CONCURRENCY_REDIS_PREFIX: prefix }
  const concurrency = openConcurrency({ config: loadConfig(settings), tasks: TASKS, log: quiet })
  afterAll(() => concurrency.stop())
  return {
    prefix,
    file,
    until,
    concurrency,
    lines: () => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []),
    letEnd: () => appendFileSync(until, ''),
    async startProcessor(...args: string[]): Promise<Child> {
      const child = startChild(
        'bots/concurrency-processor/main.ts',
        ['--tasks', TASKS, '--queue-prefix', prefix, '--timeout', '0', ...args],
        { REDIS_URL: redis.url, LOG_LEVEL: 'info' },
      )
      await child.waitForOutput('processor is ready')
      return child
    },
    /** Without those that stay, and those that expire. */
    keys: async () =>
      (await client.keys(`${prefix}:*`)).filter(
        (key) => !/:(tasks:(id|meta|events|stalled-check|marker)|processors|(lease|aborted):.*)$/.test(key),
      ),
  }
}
/** The prefix of two processors that no test kills. */
const SHARED = 'shared'
const pidOf = (line: string | undefined): number => Number(/(\d+):\d+$/.exec(line ?? '')?.[1])

describe.concurrent('the driver redis', { timeout: 60_000 }, () => {
  beforeAll(async () => {
    const { startProcessor } = usePlace(SHARED)
    await Promise.all([startProcessor('--concurrency', '2'), startProcessor('--concurrency', '2')])
  })

  test('the task of a killed processor runs again on another one', async () => {
    const place = usePlace()
    const processors = await Promise.all([place.startProcessor(), place.startProcessor()])
    const { file, until } = place
    const result = place.concurrency.run([task(journal, { file, until, line: 'started' })])
    await eventually(() => expect(place.lines()).toHaveLength(1), PATIENT)
    const first = pidOf(place.lines()[0])
    const victim = processors.find((one) => one.process.pid === first) as Child
    victim.process.kill('SIGKILL')
    await eventually(() => expect(place.lines()).toHaveLength(2), PATIENT)
    place.letEnd()
    const [where] = await result
    expect(pidOf(where)).toBe(processors.find((one) => one !== victim)?.process.pid)
    await eventually(async () => expect(await place.keys()).toEqual([]))
  })

  test('a task whose processors die too often fails as lost', async () => {
    const place = usePlace()
    const processors = await Promise.all([
      place.startProcessor('--tries', '1'),
      place.startProcessor('--tries', '1'),
    ])
    const { file, until } = place
    const result = place.concurrency
      .run([task(journal, { file, until, line: 'started' })])
      .catch((error: TaskError) => error)
    await eventually(() => expect(place.lines()).toHaveLength(1), PATIENT)
    processors.find((one) => one.process.pid === pidOf(place.lines()[0]))?.process.kill('SIGKILL')
    expect(await result).toMatchObject({
      code: 'task_lost',
      task: 'journal',
      message: expect.stringContaining('1 times'),
    })
    expect(place.lines()).toHaveLength(1)
    await eventually(async () => expect(await place.keys()).toEqual([]))
  })

  test('the running and waiting tasks of a caller that dies are ended', async () => {
    const place = usePlace()
    await place.startProcessor('--concurrency', '1')
    const caller = startChild('test/helpers/fixtures/concurrency-caller.ts', [
      redis.url,
      place.prefix,
      place.file,
      place.until,
    ])
    await eventually(() => expect(place.lines()).toHaveLength(1), PATIENT)
    caller.process.kill('SIGKILL')
    await eventually(async () => expect(await client.llen(`${place.prefix}:tasks:active`)).toBe(0), PATIENT)
    await eventually(async () => expect(await client.llen(`${place.prefix}:tasks:wait`)).toBe(0), PATIENT)
    expect(place.lines()).toHaveLength(1)
    // The processor still serves other callers.
    expect(await place.concurrency.run([task(double, { n: 3 })])).toEqual([6])
  })

  test('a task that is no longer in Redis, as after a restart without data, fails as lost', async () => {
    const place = usePlace()
    const { file, until, prefix, concurrency } = place
    const lost = concurrency
      .run([task(journal, { file, until, line: 'never' })])
      .catch((thrown: TaskError) => thrown)
    await eventually(async () => expect(await client.llen(`${prefix}:tasks:wait`)).toBe(1), PATIENT)
    for (const key of await client.keys(`${prefix}:*`)) await client.del(key)
    expect(await lost).toMatchObject({ code: 'task_lost', task: 'journal' })
  })

  test('a task that runs on a processor ends when its caller aborts it', async () => {
    const place = usePlace(SHARED)
    const { file, until, concurrency } = place
    const abort = new AbortController()
    const calls = [task(journal, { file, until, line: 'started' })]
    const error = concurrency.run(calls, { signal: abort.signal }).catch((thrown: TaskError) => thrown)
    await eventually(() => expect(place.lines()).toHaveLength(1), PATIENT)
    abort.abort()
    expect(await error).toMatchObject({ code: 'aborted', task: 'journal' })
    await eventually(async () => expect(await client.llen(`${place.prefix}:tasks:active`)).toBe(0), PATIENT)
  })

  test("driver('redis') uses the Redis of CONCURRENCY_REDIS_CONNECTION", async () => {
    const config = loadConfig({
      REDIS_URL: 'redis://127.0.0.1:1',
      CONCURRENCY_DRIVER: 'sync',
      CONCURRENCY_REDIS_CONNECTION: redis.url,
      CONCURRENCY_REDIS_PREFIX: SHARED,
    })
    const concurrency = openConcurrency({ config, tasks: TASKS, log: quiet })
    const [here] = await concurrency.run([task(where, { ms: 1 })])
    const [there] = await concurrency.driver('redis').run([task(where, { ms: 1 })])
    expect(pidOf(here)).toBe(process.pid)
    expect(pidOf(there)).not.toBe(process.pid)
    await concurrency.stop()
  })

  test('tasks are shared among processors, and their results are deleted from Redis', async () => {
    const place = usePlace(SHARED)
    const places = await place.concurrency.run(Array.from({ length: 8 }, () => task(where, { ms: 400 })))
    expect(new Set(places.map(pidOf)).size).toBe(2)
    await eventually(async () => expect(await place.keys()).toEqual([]))
  })

  test('a task fails with no_processor where no processor runs', async () => {
    const names = createConcurrencyNames('no-processor')
    const blocking = await redis.connections.connect('patient')
    const driver = createRedisDriver({
      redis: client,
      blocking,
      names,
      log: quiet,
      noProcessorTimeoutMs: 500,
    })
    const concurrency = createConcurrency({
      driver: 'redis',
      drivers: { redis: () => driver } as never,
      log: quiet,
    })
    const error = await concurrency
      .run([task(double, { n: 1 }), task(double, { n: 2 })])
      .catch((thrown: TaskError) => thrown)
    expect(error).toMatchObject({ code: 'no_processor', task: 'double' })
    await concurrency.stop()
    await eventually(async () => expect(await client.llen('no-processor:tasks:wait')).toBe(0))
  })

  test('deferred tasks run after their caller has ended, and the processor logs those that fail', async () => {
    const place = usePlace()
    const { file, until, prefix } = place
    const settings = { REDIS_URL: redis.url, CONCURRENCY_DRIVER: 'redis', CONCURRENCY_REDIS_PREFIX: prefix }
    const { log } = collectLog()
    const caller = openConcurrency({ config: loadConfig(settings), tasks: TASKS, log })
    caller.defer([task(journal, { file, until, line: 'deferred' }), task(fail, { message: 'Not awaited.' })])
    await caller.stop()
    const processor = await place.startProcessor()
    await eventually(() => expect(place.lines()).toHaveLength(1), PATIENT)
    await processor.waitForOutput('a deferred task has failed')
    place.letEnd()
  })
})

describe('the processor’s command line', () => {
  const start = (...args: string[]): Child =>
    startChild('bots/concurrency-processor/main.ts', ['--tasks', TASKS, ...args], {
      REDIS_URL: redis.url,
      REDIS_CONNECTIONS: `other=${redis.url}`,
      LOG_LEVEL: 'info',
    })

  test('the processor exits with code 0 after --timeout seconds', async () => {
    const processor = start(
      '--connection',
      'other',
      '--queue-prefix',
      'timed',
      '--timeout',
      '1',
      '--sleep',
      '1',
      '--concurrency',
      '2',
    )
    await processor.waitForOutput('--timeout has passed')
    expect(await processor.ended).toBe(0)
  })

  test('the processor refuses invalid arguments with a message', async () => {
    const processor = start('--concurrency', '0')
    expect(await processor.ended).toBe(1)
    expect(processor.output()).toMatch(/whole number from 1 to 1000/)
  })

  test.each([
    [
      ['--connection', 'elsewhere'],
      /It names no connection; there are: default, other \(REDIS_CONNECTIONS names more\)/,
    ],
    [['--workers', '2'], /unknown option '--workers'/],
  ])('the arguments %j are refused', (args, words) => {
    const { concurrency } = loadConfig({ REDIS_URL: redis.url, REDIS_CONNECTIONS: `other=${redis.url}` })
    expect(() => parseProcessorArguments(args, concurrency)).toThrow(words)
  })
})
