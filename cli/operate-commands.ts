/** The commands on queues and services. */
import { type Command, InvalidArgumentError } from 'commander'
import { wholeNumber } from '../core/runtime/command-line.ts'
import type { OnInstallation } from './on-installation.ts'

// Not null: Commander makes it an empty text.
function parseConcurrency(text: string): number | 'none' {
  return text === 'none' ? text : wholeNumber(1, 10_000)(text)
}

function parseRate(text: string): { requests: number; seconds: number } | 'none' {
  if (text === 'none') return text
  const [, requests, seconds] = /^(\d{1,7})\/(\d{1,5})$/.exec(text) ?? []
  if (!requests || !seconds || Number(requests) === 0 || Number(seconds) === 0)
    throw new InvalidArgumentError('It must be such as 10/60: ten within 60 seconds.')
  return { requests: Number(requests), seconds: Number(seconds) }
}

const MESSAGE = ['--message <text>', 'words for the form'] as const

export function addQueueCommands(program: Command, onInstallation: OnInstallation): void {
  const command = program.command('queues').description('the queues: what waits, runs and is held')
  command
    .command('list', { isDefault: true })
    .description('counts waiting, running, delayed and failed requests of each')
    .action(onInstallation(async () => (await import('./commands/queues.ts')).queues))
  command
    .command('hold')
    .description('starts no request of a queue until it is resumed')
    .argument('<queue>')
    .option(...MESSAGE)
    .action(onInstallation(async () => (await import('./commands/queues.ts')).holdQueue))
  command
    .command('resume')
    .description('ends a hold')
    .argument('<queue>')
    .action(onInstallation(async () => (await import('./commands/queues.ts')).resumeQueue))
  command
    .command('limit')
    .description('sets other limits than those of the definition, for all workers, at once')
    .argument('<queue>')
    .option('--concurrency <n>', 'how many run at once, or none', parseConcurrency)
    .option('--rate <n/seconds>', 'how many start within so many seconds, or none', parseRate)
    .option('--reset', 'restores the limits of the definition')
    .action(onInstallation(async () => (await import('./commands/queues.ts')).limitQueue))
}

export function addServiceCommands(program: Command, onInstallation: OnInstallation): void {
  const command = program.command('services').description('the services that bots have announced')
  command
    .command('list', { isDefault: true })
    .description('lists them, with their bots')
    .action(onInstallation(async () => (await import('./commands/services.ts')).listServices))
  command
    .command('close')
    .description('accepts no request of a service until it is opened')
    .argument('<slug>')
    .option(...MESSAGE)
    .action(onInstallation(async () => (await import('./commands/services.ts')).closeService))
  command
    .command('open')
    .description('accepts requests again')
    .argument('<slug>')
    .action(onInstallation(async () => (await import('./commands/services.ts')).openService))
}
