/** What all drivers have in common, tested with each: in process, in processes, in threads, on two processors over Redis. */
import { EventEmitter } from 'node:events'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../../core/runtime/config.ts'
import { DRIVER_NAMES } from '../../../core/runtime/env-schema.ts'
import { openConcurrency } from '../../../core/tasks/compose.ts'
import { task } from '../../../core/tasks/task.ts'
import type { TaskError } from '../../../core/tasks/task-errors.ts'
import type { Concurrency } from '../../../core/tasks/task-runner.ts'
import { startChild } from '../../helpers/child.ts'
import { eventually } from '../../helpers/eventually.ts'
import {
  badResult,
  double,
  fail,
  huge,
  journal,
  never,
  noJson,
  spin,
  steps,
  throwText,
  wait,
  where,
} from '../../helpers/fixtures/tasks.ts'
import { quiet, useFolder, useRedis } from '../../helpers/redis.ts'

const TASKS = new URL('../../helpers/fixtures/tasks.ts', import.meta.url).href
const redis = await useRedis()
const folder = useFolder()

beforeAll(async () => {
  const args = ['--tasks', TASKS, '--timeout', '0', '--concurrency', '2']
  const settings = { REDIS_URL: redis.url, LOG_LEVEL: 'info' }
  const processors = [1, 2].map(() => startChild('bots/concurrency-processor/main.ts', args, settings))
  await Promise.all(processors.map((one) => one.waitForOutput('processor is ready')))
})

const failure = async (promise: Promise<unknown>): Promise<TaskError> => {
  try {
    await promise
  } catch (error) {
    return error as TaskError
  }
  throw new Error('the promise did not reject')
}

describe.each(DRIVER_NAMES)('the driver %s', (driver) => {
  let concurrency: Concurrency
  beforeAll(() => {
    const config = loadConfig({
      REDIS_URL: redis.url,
      CONCURRENCY_DRIVER: driver,
      CONCURRENCY_POOL_SIZE: '2',
    })
    concurrency = openConcurrency({ config, tasks: TASKS, log: quiet })
  })
  afterAll(() => concurrency.stop())
  const run: Concurrency['run'] = (calls, options) => concurrency.run(calls, options)

  test('run resolves with the results in the order of the calls, not in the order in which tasks end', async () => {
    const results = await run([
      task(wait, { ms: 150, name: 'slow' }),
      task(wait, { ms: 1, name: 'fast' }),
      task(double, { n: 21 }),
    ])
    expect(results).toEqual(['slow', 'fast', 42])
    expect(await run([])).toEqual([])
  })

  test('run rejects with the error of the task, plus the name and index of the task', async () => {
    const error = await failure(run([task(double, { n: 1 }), task(fail, { message: 'Out of range.' })]))
    expect(error).toMatchObject({
      name: 'RangeError',
      message: 'Out of range.',
      code: 'E_OWN',
      task: 'fail',
      index: 1,
    })
    expect(error).toBeInstanceOf(Error)
    expect(error.stack).toMatch(/fixtures\/tasks\.[tj]s/)
  })

  test('the first error of a task rejects run and aborts the other tasks', async () => {
    const error = await failure(run([task(fail, { message: 'No.' }), task(wait, { ms: 600_000, name: 'x' })]))
    expect(error.message).toBe('No.')
  })

  test('a task that exceeds the timeout is ended, also one that ignores its signal', async () => {
    const error = await failure(run([task(never, null)], { timeout: 0.3 }))
    expect(error).toMatchObject({
      code: 'timed_out',
      task: 'never',
      message: expect.stringContaining('0.3 s'),
    })
    // In this process nothing could end it.
    if (driver !== 'sync') {
      const spinning = failure(run([task(spin, null)], { timeout: 0.3 }))
      expect(await spinning).toMatchObject({ code: 'timed_out', task: 'spin' })
    }
    // Its worker is free again.
    expect(await run([task(double, { n: 5 })])).toEqual([10])
  })

  test('run is aborted by its signal', async () => {
    const abort = new AbortController()
    const running = failure(run([task(wait, { ms: 20_000, name: 'x' })], { signal: abort.signal }))
    abort.abort()
    expect(await running).toMatchObject({ code: 'aborted', task: 'wait' })
    expect(await failure(run([task(double, { n: 1 })], { signal: abort.signal }))).toMatchObject({
      code: 'aborted',
    })
  })

  test('onProgress receives the progress that a task reports', async () => {
    const percents: number[] = []
    await run([task(steps, { ms: 300 }, { onProgress: (percent) => percents.push(percent) })])
    expect(percents).toEqual([25, 50, 75])
  })

  test.each([
    ['an unknown task', task('no-such-task', {}), 'unknown_task'],
    ['invalid arguments', task('double', { n: 'x' }), 'invalid_arguments'],
    ['arguments that the caller finds invalid', task(double, { n: 'x' } as never), 'invalid_arguments'],
    ['arguments that are no JSON', task('double', { n: 1n }), 'invalid_arguments'],
    ['arguments that are too large', task('double', { n: 'x'.repeat(1_100_000) }), 'too_large'],
    ['an invalid result', task(badResult, null), 'invalid_result'],
    ['a result that is no JSON', task(noJson, null), 'invalid_result'],
    ['a result that is too large', task(huge, { bytes: 1_100_000 }), 'too_large'],
    ['a thrown value that is no Error', task(throwText, null), 'not_an_error'],
  ])('run rejects %s with an error that names the task', async (_, call, code) => {
    const error = await failure(run([call]))
    expect(error).toMatchObject({ name: 'TaskError', code, task: call.name })
    expect(error.message).toContain(`"${call.name}"`)
  })

  test('a result of one megabyte is returned', async () => {
    const [text] = await run([task(huge, { bytes: 1_000_000 })])
    expect(text).toHaveLength(1_000_000)
  })

  test('defer runs tasks once the response has been sent, and counts those that fail', async () => {
    const response = Object.assign(new EventEmitter(), { closed: false })
    const [file, until] = [join(folder, `${driver}.journal`), join(folder, `${driver}.end`)]
    concurrency.defer([task(journal, { file, until, line: 'deferred' })], { after: response })
    await run([task(double, { n: 1 })])
    expect(existsSync(file)).toBe(false)
    response.emit('close')
    await eventually(() => expect(readFileSync(file, 'utf8')).toMatch(/^deferred /))
    appendFileSync(until, '')
    concurrency.defer([task(fail, { message: 'Not awaited.' })])
    // With redis the processor counts failures.
    const expected = driver === 'redis' ? { done: 2, failed: 0 } : { done: 2, failed: 1 }
    await eventually(() => expect(concurrency.deferred()).toEqual(expected))
  })

  test('run runs many more tasks than there are processes and threads', async () => {
    const results = await run(Array.from({ length: 100 }, (_, n) => task(double, { n })))
    expect(results).toEqual(Array.from({ length: 100 }, (_, n) => n * 2))
  })

  test('run runs no more tasks concurrently than its limit', async () => {
    const startedAt = performance.now()
    await run(
      [1, 2, 3].map((n) => task(wait, { ms: 100, name: String(n) })),
      { limit: 1 },
    )
    expect(performance.now() - startedAt).toBeGreaterThan(295)
  })

  test(`tasks run in ${driver === 'sync' ? 'this process' : 'more than one process or thread'}`, async () => {
    const places = await run(Array.from({ length: 4 }, () => task(where, { ms: 200 })))
    if (driver === 'sync') return expect(new Set(places)).toEqual(new Set([`${process.pid}:0`]))
    expect(new Set(places).size).toBeGreaterThan(1)
    for (const place of places) expect(place).not.toBe(`${process.pid}:0`)
  })
})
