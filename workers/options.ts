/** What the workers' command line says: `npm run start:workers -- --queue crawls --concurrency 20`. */
import { Command, InvalidArgumentError } from 'commander'
import type { ServiceQueue } from '../core/catalog/queue-definitions.ts'
import { LONGEST_SECONDS, parseOptions, wholeNumber } from '../core/runtime/command-line.ts'

export interface WorkerOptions {
  /** Undefined for all of them. */
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
 * @returns null when only help was asked for, which has been written
 * @throws StartupError saying what is wrong
 */
export function readOptions(args: readonly string[], queues: readonly ServiceQueue[]): WorkerOptions | null {
  const names = queues.map(({ name }) => name)
  const known = (name: string, others: string[] = []): string[] => {
    if (!names.includes(name)) throw new InvalidArgumentError(`There are these queues: ${names.join(', ')}.`)
    return [...new Set([...others, name])]
  }
  const command = new Command('npm run start:workers --')
    .description('Takes jobs from the queues and calls the bots.')
    .option('--queue <name>', `only this queue, and each that is named like this: ${names.join(', ')}`, known)
    .option(
      '--concurrency <n>',
      'requests at the same time, of each queue (WORKER_CONCURRENCY)',
      wholeNumber(1, 1000),
    )
    .option(
      '--tries <n>',
      'how often a request is tried, instead of what its service says',
      wholeNumber(1, 100),
    )
    .option(
      '--max-time <seconds>',
      'stop after so long, once what runs has ended',
      wholeNumber(1, LONGEST_SECONDS),
    )
    .option(
      '--max-jobs <n>',
      'stop after so many attempts, once they have ended',
      wholeNumber(1, 1_000_000_000),
    )
    .option(
      '--sleep <seconds>',
      'ask an empty queue anew after so long; a job is taken at once (2)',
      wholeNumber(1, 60),
    )
    .addHelpText(
      'after',
      '\nA stop by --max-time or --max-jobs ends with 0: whatever starts the workers starts them again.',
    )
  return parseOptions(command, args)
}
