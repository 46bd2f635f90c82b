/** What the workers' command line may say, and how it is refused. */
import { describe, expect, test } from 'vitest'
import { allQueues } from '../../core/catalog/index.ts'
import { StartupError } from '../../core/runtime/startup-error.ts'
import { readOptions } from '../../workers/options.ts'
import { createWorkerLimits } from '../../workers/worker-limits.ts'
import { startChild } from '../helpers/child.ts'
import { eventually } from '../helpers/eventually.ts'

const read = (...args: string[]) => readOptions(args, allQueues())

function refusal(...args: string[]): string {
  try {
    read(...args)
  } catch (error) {
    expect(error).toBeInstanceOf(StartupError)
    return (error as StartupError).message
  }
  throw new Error(`${args.join(' ')} was taken`)
}

describe('the command line', () => {
  test('may say nothing: all queues, and what settings and services say', () => {
    expect(read()).toEqual({})
  })

  test.each([
    ['--queue crawls', { queue: ['crawls'] }],
    ['--queue=crawls', { queue: ['crawls'] }],
    ['--queue crawls --queue inquiries --queue crawls', { queue: ['crawls', 'inquiries'] }],
    ['--concurrency 20', { concurrency: 20 }],
    ['--tries 1', { tries: 1 }],
    ['--max-time 3600', { maxTime: 3600 }],
    ['--max-jobs 500', { maxJobs: 500 }],
    ['--sleep 5', { sleep: 5 }],
  ])('%s is understood', (line, options) => {
    expect(read(...line.split(' '))).toEqual(options)
  })

  test('may say all of it at once', () => {
    const line = '--queue inquiries --concurrency 1 --tries 100 --max-time 1 --max-jobs 1 --sleep 60'
    expect(read(...line.split(' '))).toEqual({
      queue: ['inquiries'],
      concurrency: 1,
      tries: 100,
      maxTime: 1,
      maxJobs: 1,
      sleep: 60,
    })
  })

  test.each([
    ['--concurrency', ['0', '1001', '1.5', 'many', '', ' ', '-1']],
    ['--tries', ['0', '101', '1e9', 'x']],
    ['--max-time', ['0', '-5', '1h']],
    ['--max-jobs', ['0', '1000000001', 'all']],
    ['--sleep', ['0', '61', '0.5']],
  ])('%s is refused with a number that it cannot have: named, with the range', (flag, values) => {
    for (const value of values) {
      const said = refusal(`${flag}=${value}`)
      expect(said).toContain(flag)
      expect(said).toMatch(/It must be a whole number from 1 to \d+\./)
      expect(said).not.toContain('\n')
    }
  })

  test('is refused with a queue that nobody uses: those that there are are named', () => {
    for (const name of ['sms', '', 'Crawls', '__proto__']) {
      const said = refusal('--queue', name)
      expect(said).toContain('There are these queues: inquiries, crawls.')
      expect(said).not.toContain('\n')
    }
  })

  test.each([
    ['an option that is none', ['--quue', 'crawls'], /unknown option '--quue'/],
    ['an option without its value', ['--max-jobs'], /--max-jobs/],
    ['a word too many', ['crawls'], /too many arguments/],
  ])('is refused with %s', (_what, args, words) => {
    const said = refusal(...args)
    expect(said).toMatch(words)
    expect(said).toMatch(/\(see --help\)$/)
    expect(said.split('\n').length).toBeLessThan(3)
  })

  test('that is wrong ends the process with one sentence, one that asks for help well', {
    timeout: 30_000,
  }, async () => {
    const [wrong, help] = ['--queue=sms', '--help'].map((arg) =>
      startChild('workers/main.ts', [arg], { NODE_ENV: 'test', LOG_LEVEL: 'info' }),
    )
    expect(await wrong?.ended).toBe(1)
    expect(wrong?.output()).toMatch(
      /^workers: .*There are these queues: inquiries, crawls\. \(see --help\)\n$/,
    )
    expect(await help?.ended).toBe(0)
    const flags = [
      '--queue',
      '--concurrency',
      '--tries',
      '--max-time',
      '--max-jobs',
      '--sleep',
      'npm run start:workers --',
    ]
    for (const flag of flags) expect(help?.output()).toContain(flag)
  })
})

describe('the limits of the command line', () => {
  test('are reached once, by the first of them', async () => {
    const reached: string[] = []
    const limits = createWorkerLimits({ maxJobs: 2, maxTime: 0.02 }, (why) => reached.push(why))
    limits.countAttempt()
    expect(reached).toEqual([])
    limits.countAttempt()
    limits.countAttempt()
    expect(reached).toEqual(['max jobs'])

    const alone: string[] = []
    createWorkerLimits({ maxTime: 0.02 }, (why) => alone.push(why))
    await eventually(() => expect(alone).toEqual(['max time']))
    expect(reached).toEqual(['max jobs'])
  })

  test('are none where none is set', () => {
    const reached: string[] = []
    const limits = createWorkerLimits({}, (why) => reached.push(why))
    for (let i = 0; i < 1000; i++) limits.countAttempt()
    expect(reached).toEqual([])
  })

  test('are not reached at once by the longest time that may be asked for', async () => {
    const longest = Number(/to (\d+)\./.exec(refusal('--max-time=0'))?.[1])
    const reached: string[] = []
    const limits = createWorkerLimits({ maxTime: longest }, (why) => reached.push(why))
    const soon: string[] = []
    createWorkerLimits({ maxTime: 0.02 }, (why) => soon.push(why))
    await eventually(() => expect(soon).toHaveLength(1))
    limits.stop()
    expect(reached).toEqual([])
  })
})
