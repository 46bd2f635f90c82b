/** Reports and results of `request.parallel`; the tasks end when the test lets them. */
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createParallel, type ParallelOptions, type Part } from '../../bots/bot-server/parallel.ts'
import { toLocalizedMessage } from '../../core/domain/message.ts'
import type { SubstepReport } from '../../core/domain/step.ts'
import { createSyncDriver } from '../../core/tasks/drivers/sync.ts'
import { defineTask, type TaskContext, type TaskRegistry, task } from '../../core/tasks/task.ts'
import { createConcurrency } from '../../core/tasks/task-runner.ts'
import { eventually } from '../helpers/eventually.ts'
import { quiet } from '../helpers/redis.ts'

interface Gate extends Pick<TaskContext, 'signal' | 'progress'> {
  open(answer: string): void
  fail(error: Error): void
}
const gates = new Map<string, Gate>()
const gateOf = (id: string): Promise<Gate> =>
  eventually(() => {
    const gate = gates.get(id)
    if (!gate) throw new Error(`${id} has not begun`)
    return gate
  })

const gated = defineTask(
  'gated',
  { args: z.object({ id: z.string() }), result: z.string() },
  ({ id }, { signal, progress }) =>
    new Promise((open, fail) => void gates.set(id, { signal, progress, open, fail })),
)
const tasks = new Map([[gated.name, gated]]) as unknown as TaskRegistry
const sync = () => createSyncDriver(tasks)
const concurrency = createConcurrency({
  driver: 'sync',
  drivers: { sync, process: sync, fork: sync, redis: sync },
  log: quiet,
})

interface Write {
  progress: number
  message: string | undefined
  parts: SubstepReport[]
}
let writes: Write[]
/** What each write waits for. */
let written: (write: Write) => Promise<void> | void
let abort: AbortController
beforeEach(() => {
  gates.clear()
  writes = []
  written = () => {}
  abort = new AbortController()
})

const begin = (parts: Omit<Part<string>, 'call'>[], options: Partial<ParallelOptions> = {}) =>
  createParallel({
    concurrency,
    signal: abort.signal,
    async updateProgress(progress, step, message, parts = []) {
      expect(step).toBeUndefined()
      const write = { progress, message: message && toLocalizedMessage(message).message, parts }
      writes.push(write)
      await written(write)
    },
  })(
    parts.map((part) => ({ ...part, call: task(gated, { id: part.step }) })),
    { from: 0, to: 100, ...options },
  )
const ABC = [{ step: 'a' }, { step: 'b' }, { step: 'c' }]
const shown = ({ parts }: Write): string =>
  parts
    .map(({ id, state, outcome, progress }) => `${id} ${outcome ?? (state === 'current' ? progress : state)}`)
    .join(', ')
const lastShown = (): string => shown(writes.at(-1) as Write)
const showing = (what: string): Promise<void> => eventually(() => expect(lastShown()).toBe(what))

describe('request.parallel', () => {
  test('parts start concurrently, and results are in the order of the parts', async () => {
    const running = begin(ABC, { message: 'Asking.' })
    for (const [id, answer] of [
      ['c', '3'],
      ['a', '1'],
      ['b', '2'],
    ] as const)
      (await gateOf(id)).open(answer)
    expect(await running).toEqual(['1', '2', '3'].map((value) => ({ ok: true, value })))
    expect(shown(writes[0] as Write)).toBe('a 0, b 0, c 0')
    expect(writes.map(({ message }) => message)).toEqual(['Asking.', ...writes.slice(1).map(() => undefined)])
    expect(lastShown()).toBe('a done, b done, c done')
  })

  test('parts raise the progress by their weight between `from` and `to`', async () => {
    const running = begin([{ step: 'a', weight: 3 }, { step: 'b' }], { from: 10, to: 90 })
    const [a, b] = [await gateOf('a'), await gateOf('b')]
    a.progress(50)
    await showing('a 50, b 0')
    expect(writes.at(-1)?.progress).toBe(10 + 80 * (3 / 8))
    b.open('2')
    await showing('a 50, b done')
    expect(writes.at(-1)?.progress).toBe(10 + 80 * (5 / 8))
    a.open('1')
    await running
    expect(writes.at(-1)?.progress).toBe(90)
  })

  test('progress is written one update at a time, and changes meanwhile are combined in the next one', async () => {
    let letGo = () => {}
    let activeWrites = 0
    written = async () => {
      expect(++activeWrites).toBe(1)
      await new Promise<void>((resolve) => (letGo = resolve))
      activeWrites--
    }
    const running = begin(ABC)
    const a = await gateOf('a')
    for (let percent = 1; percent < 50; percent++) a.progress(percent)
    ;(await gateOf('b')).progress(7)
    expect(writes.map(shown)).toEqual(['a 0, b 0, c 0'])
    letGo()
    await showing('a 49, b 7, c 0')
    expect(writes).toHaveLength(2)
    a.progress(49.9)
    written = () => {}
    letGo()
    for (const id of ['a', 'b', 'c']) (await gateOf(id)).open(id)
    await running
    expect(lastShown()).toBe('a done, b done, c done')
  })

  test('parallel resolves as soon as enough parts have succeeded, and aborts the others as skipped', async () => {
    const running = begin(ABC, { need: 2 })
    const [a, b, c] = [await gateOf('a'), await gateOf('b'), await gateOf('c')]
    a.fail(new RangeError('Out of range.'))
    await showing('a failed, b 0, c 0')
    c.progress(70)
    b.open('2')
    await showing('a failed, b done, c 70')
    c.open('3')
    expect(await running).toMatchObject([
      { ok: false, error: { name: 'RangeError', message: 'Out of range.', index: 0 } },
      { ok: true, value: '2' },
      { ok: true, value: '3' },
    ])
    gates.clear()
    const quicker = begin(ABC, { need: 1, to: 80 })
    ;(await gateOf('b')).open('2')
    expect(await quicker).toMatchObject([
      { ok: false, error: { code: 'aborted', index: 0 } },
      { ok: true, value: '2' },
      { ok: false, error: { code: 'aborted', index: 2 } },
    ])
    expect(gates.get('c')?.signal.aborted).toBe(true)
    expect(lastShown()).toBe('a skipped, b done, c skipped')
    expect(writes.at(-1)?.progress).toBe(80)
  })

  test('parallel rejects with the last error once too many parts have failed', async () => {
    const running = begin(ABC, { need: 2 })
    ;(await gateOf('b')).fail(new Error('First.'))
    await showing('a 0, b failed, c 0')
    ;(await gateOf('c')).fail(Object.assign(new Error('Second.'), { code: 'E_SECOND' }))
    await expect(running).rejects.toMatchObject({
      message: 'Second.',
      code: 'E_SECOND',
      task: 'gated',
      index: 2,
    })
    expect((await gateOf('a')).signal.aborted).toBe(true)
    expect(lastShown()).toBe('a skipped, b failed, c failed')
  })

  test('parallel rejects with the reason of the request’s signal', async () => {
    const running = begin(ABC)
    const a = await gateOf('a')
    const reason = new Error('cancelled')
    abort.abort(reason)
    await expect(running).rejects.toBe(reason)
    expect(a.signal.aborted).toBe(true)
    await expect(begin(ABC)).rejects.toBe(reason)
  })

  test('parallel rejects with the error of the first refused write', async () => {
    const refusal = new Error('stale_attempt')
    written = ({ parts }) => {
      if (parts.some(({ progress }) => progress === 5)) throw refusal
    }
    const running = begin(ABC)
    const a = await gateOf('a')
    a.progress(5)
    await expect(running).rejects.toBe(refusal)
    expect(a.signal.aborted).toBe(true)
    expect(lastShown()).toBe('a 5, b 0, c 0')
  })
})
