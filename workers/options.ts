/** The options of the workers' command line: `npm run start:workers -- --queue crawls --concurrency 20`. */
import { Command, InvalidArgumentError } from 'commander'
import { queueName } from '../core/catalog/queue-definition.ts'
import { commandName, MAX_TIMER_SECONDS, parseOptions, wholeNumber } from '../core/runtime/command-line.ts'

export interface WorkerOptions {
  /** Undefined for all queues. */
  queue?: string[]
  concurrency?: number
  tries?: number
  /** Seconds. */
  maxTime?: number
  maxJobs?: number
  /** Seconds. */
  sleep?: number
}

/**
 * @param args without the names of program and file
 * @returns null when `--help` was given, whose text has been written
 * @throws StartupError naming what is wrong
 */
export function parseWorkerOptions(args: readonly string[]): WorkerOptions | null {
  const addQueue = (name: string, others: string[] = []): string[] => {
    if (!queueName.safeParse(name).success)
      throw new InvalidArgumentError('A queue has lower-case letters and digits, with single dashes between.')
    return [...new Set([...others, name])]
  }
  const command = new Command(commandName('npm run start:workers --', 'halfway workers'))
    .description('Takes jobs from the queues and calls the bots.')
    .option('--queue <name>', 'take jobs of this queue only; may be repeated', addQueue)
    .option('--concurrency <n>', 'concurrent requests per queue (WORKER_CONCURRENCY)', wholeNumber(1, 1000))
    .option('--tries <n>', 'attempts per request, instead of those of its service', wholeNumber(1, 100))
    .option(
      '--max-time <seconds>',
      'stop after this time, once running attempts have ended',
      wholeNumber(1, MAX_TIMER_SECONDS),
    )
    .option(
      '--max-jobs <n>',
      'stop after this many attempts, once they have ended',
      wholeNumber(1, 1_000_000_000),
    )
    .option(
      '--sleep <seconds>',
      'timeout of one blocking wait for a job; a job that arrives is taken immediately (default: 2)',
      wholeNumber(1, 60),
    )
    .addHelpText(
      'after',
      '\nAfter --max-time or --max-jobs the process exits with 0: its supervisor should start it again.',
    )
  return parseOptions(command, args)
}
