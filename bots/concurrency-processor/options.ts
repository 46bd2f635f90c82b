/** What the processor's command line says. */
import { Command, InvalidArgumentError } from 'commander'
import { LONGEST_SECONDS, parseOptions, wholeNumber } from '../../core/runtime/command-line.ts'
import type { Config } from '../../core/runtime/config.ts'

export interface ProcessorOptions {
  connection: string
  queuePrefix: string
  /** Seconds; 0 for no end. */
  timeout: number
  /** Seconds. */
  sleep: number
  concurrency: number
  tries: number
  /** A module of tasks in the place of our own. */
  tasks?: string
}

/** @returns null when only help was asked for, which has been written  @throws StartupError saying what is wrong */
export function readOptions(
  args: readonly string[],
  { connection, prefix }: Config['concurrency'],
): ProcessorOptions | null {
  const command = new Command('npm run concurrency:processor --')
    .description('Runs tasks of the redis driver.')
    .option(
      '--connection <redis>',
      'default, or the address of a Redis (CONCURRENCY_REDIS_CONNECTION)',
      redis,
      connection,
    )
    .option('--queue-prefix <prefix>', 'first part of the keys (CONCURRENCY_REDIS_PREFIX)', prefix)
    .option(
      '--timeout <seconds>',
      'end after so long, once what runs has ended; 0 for never',
      wholeNumber(0, LONGEST_SECONDS),
      60,
    )
    .option('--sleep <seconds>', 'look anew after so long; a task is taken at once', wholeNumber(1, 60), 1)
    .option('--concurrency <n>', 'tasks at the same time', wholeNumber(1, 1000), 8)
    .option(
      '--tries <n>',
      'how often a task is begun at most, when processors die with it',
      wholeNumber(1, 100),
      3,
    )
    .option('--tasks <url>', 'the module that exports the tasks', url)
  return parseOptions(command, args)
}

function redis(text: string): string {
  if (text === 'default' || /^(rediss?|unix):\/\/./.test(text)) return text
  throw new InvalidArgumentError(
    'It is "default" or an address that begins with redis://, rediss:// or unix://.',
  )
}

function url(text: string): string {
  if (/^file:\/\/./.test(text)) return text
  throw new InvalidArgumentError('It is an address that begins with file://.')
}
