/** Command line options of the processor. */
import { Command, InvalidArgumentError } from 'commander'
import { commandName, MAX_TIMER_SECONDS, parseOptions, wholeNumber } from '../../core/runtime/command-line.ts'
import type { Config } from '../../core/runtime/config.ts'
import { findConnection, type NamedConnections } from '../../core/runtime/named-connections.ts'
import type { RedisTarget } from '../../core/runtime/redis-target.ts'

export interface ProcessorArguments {
  connection: RedisTarget
  queuePrefix: string
  /** Seconds until it ends; 0 for never. */
  timeout: number
  /** Seconds that one blocking read of an empty queue lasts. */
  sleep: number
  concurrency: number
  tries: number
  /** URL of another module of tasks than that of the bots. */
  tasks?: string
}

/** @returns null after --help was printed  @throws StartupError that describes invalid options */
export function parseProcessorArguments(
  args: readonly string[],
  { redis, connections, prefix }: Config['concurrency'],
): ProcessorArguments | null {
  const command = new Command(commandName('npm run concurrency:processor --', 'halfway processor'))
    .description('Runs tasks of the redis driver.')
    .option(
      '--connection <redis>',
      'a name: default, or one of REDIS_CONNECTIONS; or the address of a Redis (CONCURRENCY_REDIS_CONNECTION)',
      connection(connections),
      redis,
    )
    .option('--queue-prefix <prefix>', 'first part of the keys (CONCURRENCY_REDIS_PREFIX)', prefix)
    .option(
      '--timeout <seconds>',
      'end after this time, once running tasks have ended; 0 for never',
      wholeNumber(0, MAX_TIMER_SECONDS),
      60,
    )
    .option(
      '--sleep <seconds>',
      'how long one read of an empty queue waits; a new task ends it immediately',
      wholeNumber(1, 60),
      1,
    )
    .option('--concurrency <n>', 'how many tasks run concurrently', wholeNumber(1, 1000), 8)
    .option(
      '--tries <n>',
      'how often a task is started at most, when processors die while they run it',
      wholeNumber(1, 100),
      3,
    )
    .option('--tasks <url>', 'the module that exports the tasks', url)
  return parseOptions(command, args)
}

const connection =
  (connections: NamedConnections) =>
  (text: string): RedisTarget => {
    const found = findConnection(connections, text)
    if (typeof found === 'string') throw new InvalidArgumentError(`It ${found}.`)
    return found
  }

function url(text: string): string {
  if (/^file:\/\/./.test(text)) return text
  throw new InvalidArgumentError('Use an address that begins with file://.')
}
