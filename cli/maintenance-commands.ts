/** Maintenance commands: `cleanup`, `prove-gone`, `audit`. */
import type { Command } from 'commander'
import { wholeNumber } from '../core/runtime/command-line.ts'
import type { OnInstallation } from './on-installation.ts'
import { NAMED, parseRequest } from './parse-arguments.ts'

export function addMaintenanceCommands(program: Command, onInstallation: OnInstallation): void {
  program
    .command('cleanup')
    .description('removes list entries, scheduled checks, jobs and keys that no request needs')
    .option('--dry-run', 'only print what would be removed')
    .action(onInstallation(async () => (await import('./commands/cleanup.ts')).cleanup))
  program
    .command('audit')
    .description('prints the audit log: who was refused, limits, wrong codes, what operators did')
    .option('--limit <n>', 'maximum number of entries', wholeNumber(1, 1_000), 50)
    .option('--watch', 'prints each further entry, until interrupted')
    .action(onInstallation(async () => (await import('./commands/audit.ts')).audit))
  program
    .command('prove-gone')
    .description('searches Redis and its files for what is left of an expired request')
    .argument('<request>', NAMED, parseRequest)
    .action(onInstallation(async () => (await import('./commands/prove-gone.ts')).proveGone))
}
