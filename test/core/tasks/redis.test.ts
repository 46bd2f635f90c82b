/** What only the redis driver can suffer: processors and callers that die, and nobody there. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
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
/** A prefix of its own, with what listens there. */
function usePlace() {
  const prefix = `place-${++made}`
  const [file, until] = [join(folder, `${prefix}.journal`), join(folder, `${prefix}.until`)]
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
    keys: async () =>
      (await client.keys(`${prefix}:*`)).filter(
        (key) => !/:(tasks:(id|meta|events|stalled-check|marker)|processors|lease:.*)$/.test(key),
      ),
  }
}
const pidOf = (line: string | undefined): number => Number(/(\d+):\d+$/.exec(line ?? '')?.[1])

describe.concurrent('the driver redis', { timeout: 60_000 }, () => {
  test('runs the task of a processor that is killed again elsewhere', async () => {
    const place = usePlace()
    const processors = await Promise.all([place.startProcessor(), place.startProcessor()])
    const { file, until } = place
    const result = place.concurrency.run([task(journal, { file, until, line: 'begun' })])
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

  test('gives a task up when whoever runs it dies too often', async () => {
    const place = usePlace()
    const processors = await Promise.all([
      place.startProcessor('--tries', '1'),
      place.startProcessor('--tries', '1'),
    ])
    const { file, until } = place
    const result = place.concurrency
      .run([task(journal, { file, until, line: 'begun' })])
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

  test('ends the tasks of a caller that dies, those that wait, too', async () => {
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
    // The one that listens on is there for others.
    expect(await place.concurrency.run([task(double, { n: 3 })])).toEqual([6])
  })

  test('says that a task is lost that nobody has any more, as after a Redis that came back empty', async () => {
    const place = usePlace()
    const { file, until, prefix, concurrency } = place
    const lost = concurrency
      .run([task(journal, { file, until, line: 'never' })])
      .catch((thrown: TaskError) => thrown)
    await eventually(async () => expect(await client.llen(`${prefix}:tasks:wait`)).toBe(1), PATIENT)
    for (const key of await client.keys(`${prefix}:*`)) await client.del(key)
    expect(await lost).toMatchObject({ code: 'task_lost', task: 'journal' })
  })

  test('ends a task that runs somewhere when its caller aborts it', async () => {
    const place = usePlace()
    await place.startProcessor()
    const { file, until, concurrency } = place
    const abort = new AbortController()
    const calls = [task(journal, { file, until, line: 'begun' })]
    const error = concurrency.run(calls, { signal: abort.signal }).catch((thrown: TaskError) => thrown)
    await eventually(() => expect(place.lines()).toHaveLength(1), PATIENT)
    abort.abort()
    expect(await error).toMatchObject({ code: 'aborted', task: 'journal' })
    await eventually(async () => expect(await client.llen(`${place.prefix}:tasks:active`)).toBe(0), PATIENT)
  })

  test('is taken by name, on a Redis of its own', async () => {
    const place = usePlace()
    await place.startProcessor()
    const config = loadConfig({
      REDIS_URL: 'redis://127.0.0.1:1',
      CONCURRENCY_DRIVER: 'sync',
      CONCURRENCY_REDIS_CONNECTION: redis.url,
      CONCURRENCY_REDIS_PREFIX: place.prefix,
    })
    const concurrency = openConcurrency({ config, tasks: TASKS, log: quiet })
    const [here] = await concurrency.run([task(where, { ms: 1 })])
    const [there] = await concurrency.driver('redis').run([task(where, { ms: 1 })])
    expect(pidOf(here)).toBe(process.pid)
    expect(pidOf(there)).not.toBe(process.pid)
    await concurrency.stop()
  })

  test('shares the load among processors, and leaves nothing of results behind', async () => {
    const place = usePlace()
    await Promise.all([
      place.startProcessor('--concurrency', '2'),
      place.startProcessor('--concurrency', '2'),
    ])
    const places = await place.concurrency.run(Array.from({ length: 8 }, () => task(where, { ms: 400 })))
    expect(new Set(places.map(pidOf)).size).toBe(2)
    await eventually(async () => expect(await place.keys()).toEqual([]))
  })

  test('lets nobody wait for ever where no processor is', async () => {
    const names = createConcurrencyNames('nobody')
    const blocking = await redis.connections.connect('patient')
    const driver = createRedisDriver({ redis: client, blocking, names, log: quiet, patienceMs: 500 })
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
    await eventually(async () => expect(await client.llen('nobody:tasks:wait')).toBe(0))
  })

  test('takes what is put off from a caller that is gone by then, and a processor logs what fails', async () => {
    const place = usePlace()
    const { file, until, prefix } = place
    const settings = { REDIS_URL: redis.url, CONCURRENCY_DRIVER: 'redis', CONCURRENCY_REDIS_PREFIX: prefix }
    const { log } = collectLog()
    const gone = openConcurrency({ config: loadConfig(settings), tasks: TASKS, log })
    gone.defer([task(journal, { file, until, line: 'put off' }), task(fail, { message: 'Nobody hears.' })])
    await gone.stop()
    const processor = await place.startProcessor()
    await eventually(() => expect(place.lines()).toHaveLength(1), PATIENT)
    await processor.waitForOutput('a task that was put off has failed')
    place.letEnd()
  })
})

describe('the processor’s command line', () => {
  const start = (...args: string[]): Child =>
    startChild('bots/concurrency-processor/main.ts', args, { REDIS_URL: redis.url, LOG_LEVEL: 'info' })

  test('ends it well when its time is over', async () => {
    const processor = start(
      '--connection',
      redis.url,
      '--queue-prefix',
      'timed',
      '--timeout',
      '1',
      '--sleep',
      '1',
      '--concurrency',
      '2',
    )
    await processor.waitForOutput('its time is over')
    expect(await processor.ended).toBe(0)
  })

  test.each([
    [['--concurrency', '0'], /whole number from 1 to 1000/],
    [['--connection', 'elsewhere'], /"default" or an address/],
    [['--workers', '2'], /unknown option '--workers'/],
  ])('says what is wrong with %j', async (args, words) => {
    const processor = start(...args)
    expect(await processor.ended).toBe(1)
    expect(processor.output()).toMatch(words)
  })
})
