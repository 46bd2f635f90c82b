/** Crashes of pool processes and threads, and tasks that are deferred until a real response has been sent. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { DriverName } from '../../../core/runtime/env-schema.ts'
import { createPoolDriver } from '../../../core/tasks/drivers/pool.ts'
import { createSyncDriver } from '../../../core/tasks/drivers/sync.ts'
import { defineTask, loadTasks, task } from '../../../core/tasks/task.ts'
import type { TaskError } from '../../../core/tasks/task-errors.ts'
import { createConcurrency } from '../../../core/tasks/task-runner.ts'
import { startChild } from '../../helpers/child.ts'
import { eventually } from '../../helpers/eventually.ts'
import { double, exit, journal } from '../../helpers/fixtures/tasks.ts'
import { quiet, useFolder } from '../../helpers/redis.ts'
import { collectLog } from '../../helpers/server.ts'

const TASKS = new URL('../../helpers/fixtures/tasks.ts', import.meta.url).href
const folder = useFolder()

function usePool(driver: Extract<DriverName, 'process' | 'fork'>, tasks = TASKS) {
  const runtime = driver === 'process' ? 'child_process' : 'worker_threads'
  const make = () => createPoolDriver({ runtime, tasks, maxWorkers: 2 })
  const concurrency = createConcurrency({ driver, drivers: { [driver]: make } as never, log: quiet })
  afterAll(() => concurrency.stop())
  return concurrency
}
const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`)
const thrown = (promise: Promise<unknown>): Promise<TaskError> =>
  promise.then(
    () => expect.unreachable(),
    (error) => error,
  )

describe('the driver process', () => {
  const startJournal = async (name: string, concurrency = usePool('process')) => {
    const [file, until] = [join(folder, `${name}.journal`), join(folder, `${name}.until`)]
    const abort = new AbortController()
    const result = concurrency.run([task(journal, { file, until, line: 'started' })], {
      signal: abort.signal,
    })
    const ended = result.then(
      () => null,
      (error: TaskError) => error,
    )
    const pid = await eventually(() => {
      const written = /(\d+):/.exec(readFileSync(file, 'utf8'))
      expect(written).not.toBeNull()
      return Number(written?.[1])
    })
    return { concurrency, pid, ended, abort, letEnd: () => appendFileSync(until, '') }
  }

  test('a task whose process is killed fails as lost, and the next task gets a new process', async () => {
    const { concurrency, pid, ended } = await startJournal('killed')
    process.kill(pid, 'SIGKILL')
    expect(await ended).toMatchObject({ code: 'task_lost', task: 'journal' })
    expect(await concurrency.run([task(double, { n: 2 })])).toEqual([4])
  })

  test('a task whose process is killed before it is ready is started again', async () => {
    const concurrency = usePool('process')
    const others = childrenOf(process.pid)
    const result = concurrency.run([task(double, { n: 3 })])
    const starting = await eventually(() => {
      const pid = childrenOf(process.pid).find((child) => !others.includes(child))
      expect(pid).toBeDefined()
      return pid as number
    })
    process.kill(starting, 'SIGKILL')
    expect(await result).toEqual([6])
  })

  test('a waiting task runs although a process that is being ended answers first', async () => {
    const pool = createPoolDriver({ runtime: 'child_process', tasks: TASKS, maxWorkers: 1 })
    afterAll(() => pool.stop())
    const run = (name: string, args: unknown, signal: AbortSignal) =>
      pool.run({ name, args: JSON.stringify(args), signal, timeout: 0, detached: false })
    const [abort, file] = [new AbortController(), join(folder, 'sigterm')]
    const first = run('until-sigterm', { file }, abort.signal)
    const next = run('double', { n: 2 }, new AbortController().signal)
    await eventually(() => expect(existsSync(file)).toBe(true))
    abort.abort()
    expect(await thrown(first)).toMatchObject({ code: 'aborted' })
    expect(await next).toContain('4')
  })

  test('the processes of tasks end when the calling process is killed', async () => {
    const [file, until] = [join(folder, 'orphan.journal'), join(folder, 'orphan.until')]
    const args = ['redis://127.0.0.1:1', 'unused', file, until, 'process']
    const caller = startChild('test/helpers/fixtures/concurrency-caller.ts', args)
    const pids = await eventually(() => {
      const found = [...readFileSync(file, 'utf8').matchAll(/(\d+):/g)].map(([, pid]) => Number(pid))
      expect(found).toHaveLength(2)
      return found
    })
    caller.process.kill('SIGKILL')
    await eventually(() => expect(pids.filter(isAlive)).toEqual([]))
  })

  test('an aborted task ends its process, and a stopped pool leaves no process behind', async () => {
    const { concurrency, pid, ended, abort } = await startJournal('aborted')
    abort.abort()
    expect(await ended).toMatchObject({ code: 'aborted' })
    await eventually(() => expect(isAlive(pid)).toBe(false))
    const other = await startJournal('stopped', concurrency)
    other.letEnd()
    await concurrency.run([task(double, { n: 1 })])
    await concurrency.stop()
    await eventually(() => expect(isAlive(other.pid)).toBe(false))
  })
})

test.each(['process', 'fork'] as const)(
  'with the driver %s a task that exits its process or thread fails as lost',
  async (driver) => {
    const concurrency = usePool(driver)
    expect(await thrown(concurrency.run([task(exit, null)]))).toMatchObject({
      code: 'task_lost',
      task: 'exit',
    })
    expect(await concurrency.run([task(double, { n: 2 })])).toEqual([4])
  },
)

test.each(['process', 'fork'] as const)(
  'with the driver %s a missing module of tasks is named in the error',
  async (driver) => {
    const concurrency = usePool(driver, new URL('no-such-tasks.ts', import.meta.url).href)
    expect(await thrown(concurrency.run([task(double, { n: 1 })]))).toMatchObject({
      task: 'double',
      message: expect.stringContaining('no-such-tasks'),
    })
  },
)

test('deferred tasks start once the response has been sent, also one that was sent before', async () => {
  const events: string[] = []
  const note = defineTask('note', { args: z.string(), result: z.null() }, (what) => {
    events.push(what)
    return null
  })
  const bad = defineTask('bad', { args: z.null(), result: z.null() }, () => {
    throw new Error('Not awaited.')
  })
  const { log, lines } = collectLog()
  const registry = new Map([note, bad].map((one) => [one.name, one])) as never
  const drivers = { sync: () => createSyncDriver(registry) } as never
  const concurrency = createConcurrency({ driver: 'sync', drivers, log })
  const server = createServer((_req, res) => {
    concurrency.defer([task(note, 'deferred'), task(bad, null)], { after: res })
    res.on('finish', () => {
      events.push('response sent')
    })
    res.end('done')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  expect(await answer.text()).toBe('done')
  await eventually(() => expect(concurrency.deferred()).toEqual({ done: 2, failed: 1 }))
  expect(events).toEqual(['response sent', 'deferred'])
  expect(lines.join('')).toMatch(/"task":"bad".*a deferred task has failed/)
  await new Promise((resolve) => server.close(resolve))
})

test('loadTasks finds a task by its name, and defineTask refuses an invalid name', async () => {
  expect((await loadTasks(TASKS)).get('double')).toBe(double)
  expect(() => defineTask('Bad Name', { args: z.null(), result: z.null() }, () => null)).toThrow(
    'invalid task name "Bad Name"',
  )
})
