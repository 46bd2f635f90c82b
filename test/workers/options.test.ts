/** The options of the workers' command line: values, errors and help. */
import { describe, expect, test } from 'vitest'
import { StartupError } from '../../core/runtime/startup-error.ts'
import { parseWorkerOptions } from '../../workers/options.ts'
import { createWorkerLimits } from '../../workers/worker-limits.ts'
import { startChild } from '../helpers/child.ts'
import { eventually } from '../helpers/eventually.ts'

const read = (...args: string[]) => parseWorkerOptions(args)

function refusal(...args: string[]): string {
  try {
    read(...args)
  } catch (error) {
    expect(error).toBeInstanceOf(StartupError)
    return (error as StartupError).message
  }
  throw new Error(`${args.join(' ')} was accepted`)
}

describe('parseWorkerOptions', () => {
  test('an empty command line sets no option', () => {
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
  ])('%s is parsed', (line, options) => {
    expect(read(...line.split(' '))).toEqual(options)
  })

  test('all options together are parsed', () => {
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
  ])('%s with an invalid number is refused by name and range', (flag, values) => {
    for (const value of values) {
      const message = refusal(`${flag}=${value}`)
      expect(message).toContain(flag)
      expect(message).toMatch(/It must be a whole number from 1 to \d+\./)
      expect(message).not.toContain('\n')
    }
  })

  test('a --queue that no service may have is refused', () => {
    for (const name of ['', 'Crawls', '__proto__', 'two words']) {
      const message = refusal('--queue', name)
      expect(message).toContain('A queue has lower-case letters and digits')
      expect(message).not.toContain('\n')
    }
  })

  test.each([
    ['an unknown option', ['--quue', 'crawls'], /unknown option '--quue'/],
    ['an option without its value', ['--max-jobs'], /--max-jobs/],
    ['an extra argument', ['crawls'], /too many arguments/],
  ])('the command line is refused with %s', (_what, args, words) => {
    const message = refusal(...args)
    expect(message).toMatch(words)
    expect(message).toMatch(/\(see --help\)$/)
    expect(message.split('\n').length).toBeLessThan(3)
  })

  test('an invalid command line exits with 1 and one sentence, --help with 0', {
    timeout: 30_000,
  }, async () => {
    const [wrong, help] = ['--queue=SMS', '--help'].map((arg) =>
      startChild('workers/main.ts', [arg], { NODE_ENV: 'test', LOG_LEVEL: 'info' }),
    )
    expect(await wrong?.ended).toBe(1)
    expect(wrong?.output()).toMatch(/^workers: .*A queue has lower-case letters .*\(see --help\)\n$/)
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

describe('createWorkerLimits', () => {
  test('worker limits call back once, at the first limit reached', async () => {
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

  test('worker limits never call back without a limit', () => {
    const reached: string[] = []
    const limits = createWorkerLimits({}, (why) => reached.push(why))
    for (let i = 0; i < 1000; i++) limits.countAttempt()
    expect(reached).toEqual([])
  })

  test('the longest --max-time does not fire immediately', async () => {
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
