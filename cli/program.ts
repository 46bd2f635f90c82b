/**
 * Defines the commands and their options, and turns every error into one sentence and an exit code. A command is loaded when it
 * runs: a health check runs every few seconds on each container, and needs little of what the others load.
 */
import { Argument, Command, CommanderError, Option } from 'commander'
import { AppError } from '../core/domain/errors.ts'
import { STATUSES } from '../core/domain/record.ts'
import { commandName, wholeNumber } from '../core/runtime/command-line.ts'
import { loadConfig } from '../core/runtime/config.ts'
import { StartupError } from '../core/runtime/startup-error.ts'
import { visible } from '../core/runtime/visible-text.ts'
import type { BotTestFlags } from './commands/bot-test.ts'
import type { CheckedProcess } from './commands/healthcheck.ts'
import { addMaintenanceCommands } from './maintenance-commands.ts'
import type { OnInstallation } from './on-installation.ts'
import { addQueueCommands, addServiceCommands } from './operate-commands.ts'
import {
  NAMED,
  parseAge,
  parseData,
  parseReason,
  parseRequest,
  parseRequests,
  parseUrl,
} from './parse-arguments.ts'
import {
  CommandRefusal,
  type Context,
  createContext,
  describeError,
  EXIT,
  type ExitCode,
  isBug,
  type Terminal,
} from './terminal.ts'

const DESCRIPTION =
  'Manages the requests, queues and failures of the installation that the settings (environment, .env) name.'
const NAME = commandName('npm run cli --', 'halfway')
/** The command of the package starts these too. */
const PROCESSES = commandName(
  '',
  `
Processes: ${NAME} start, ${NAME} server, ${NAME} workers, ${NAME} bots <folder>, ${NAME} processor.\n`,
)
const EXIT_CODES = `
Exit codes: 0 done; 1 refused or failed; 2 invalid command line;
3 no such request; 4 Redis is unavailable or a setting is invalid.

Examples:
  ${NAME} list --status failed
  ${NAME} watch 7KQ2M4XR
  ${NAME} failed retry --all
  ${NAME} queues --json | jq '.[].waiting'`

/** @returns the exit code */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  let code: ExitCode = EXIT.done
  let json = false
  const context = (): Context => createContext(terminal, json)
  const onInstallation: OnInstallation =
    (load) =>
    async (...commandArgs) => {
      const [run, { openInstallation }] = await Promise.all([load(), import('./installation.ts')])
      const installation = await openInstallation(loadConfig(terminal.env))
      try {
        code = await run(context(), installation, ...commandArgs)
      } finally {
        await installation.stop()
      }
    }

  const program = new Command(NAME)
    .description(DESCRIPTION)
    .option('--json', 'print JSON')
    .addHelpText('after', PROCESSES + EXIT_CODES)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context().print(...text.trimEnd().split('\n')),
      writeErr: (text) => context().printError(text.trimEnd()),
      getOutHelpWidth: () => terminal.out.columns ?? 80,
    })
    .configureHelp({ showGlobalOptions: true })
    .hook('preAction', (_program, command) => {
      json = Boolean(command.optsWithGlobals().json)
    })
  addRequestCommands(program, onInstallation)
  addFailedCommands(program, onInstallation)
  addQueueCommands(program, onInstallation)
  addServiceCommands(program, onInstallation)
  addMaintenanceCommands(program, onInstallation)
  program
    .command('doctor')
    .description('checks every part of the installation, and prints how to fix what is wrong')
    .action(async () => {
      const { doctor } = await import('./commands/doctor.ts')
      code = await doctor(context())
    })
  addHealthcheck(program, async (name) => {
    const { healthcheck } = await import('./commands/healthcheck.ts')
    code = await healthcheck(context(), name)
  })
  addBotTest(program, async (...args) => {
    const { botTest } = await import('./commands/bot-test.ts')
    code = await botTest(context(), ...args)
  })
  program
    .command('init')
    .description('writes a project with one service of its own')
    .argument('<folder>', 'the folder, which it creates')
    .option('--halfway <version>', 'the version, folder or file of Halfway that the project depends on')
    .action(async (folder: string, options: { halfway?: string }) => {
      const { init } = await import('./commands/init.ts')
      code = await init(context(), folder, options)
    })

  try {
    // Error messages about the command line repeat what was typed.
    await program.parseAsync(args.map(visible), { from: 'user' })
    return code
  } catch (error) {
    return reportError(error, context())
  }
}

function addHealthcheck(program: Command, run: (name: CheckedProcess) => Promise<void>): void {
  program
    .command('healthcheck')
    .description('whether a process of this host is alive: the health check of its container')
    .addArgument(new Argument('[process]').choices(['server', 'workers', 'bots']).default('server'))
    .action(run)
}

function addBotTest(program: Command, run: (url: string, flags: BotTestFlags) => Promise<void>): void {
  program
    .command('bot-test')
    .description('plays worker, person and network against a bot, and prints what it does wrong')
    .argument('[url]', 'where the bot listens', parseUrl, 'http://127.0.0.1:9999')
    .option('--run <command>', 'starts the bot, which is then also stopped')
    .option('--pid <id>', 'the process of a bot that runs, to stop it', wholeNumber(1, 4_194_304))
    .option(
      '--server-port <port>',
      'where the bot reports: its HALFWAY_URL is http://127.0.0.1:{port}',
      wholeNumber(0, 65_535),
      3000,
    )
    .option('--service <slug>', 'the service to test; default: the first one')
    .option('--definition <file>', 'the definition of a service that is not announced')
    .option('--data <json>', 'data of the request, in place of the examples', parseData)
    .option('--code <code>', 'the right code, for a bot that asks for one')
    .option('--token <token>', 'the token of calls; default: BOT_TOKEN, LOCAL_API_TOKEN')
    .action(run)
}

function addRequestCommands(program: Command, onInstallation: OnInstallation): void {
  program
    .command('list')
    .description('lists the requests, newest first')
    .addOption(new Option('--status <status>', 'only requests with this status').choices(STATUSES))
    .option('--service <slug>', 'only requests of this service')
    .option('--code <code>', 'only requests that failed with this code')
    .option('--older-than <time>', 'only requests created so long ago: 90s, 10m, 2h or 1d', parseAge)
    .option('--limit <n>', 'maximum number of requests', wholeNumber(1, 100_000), 100)
    .option('--all', 'looks for them among all requests, not only the newest 2,000')
    .option('--watch', 'prints the list again every two seconds, until interrupted')
    .action(onInstallation(async () => (await import('./commands/list.ts')).list))
  program
    .command('show')
    .description('shows one request: status, steps, times, what happened')
    .argument('<request>', NAMED, parseRequest)
    .option('--raw', 'the whole record, including the submitted data')
    .action(onInstallation(async () => (await import('./commands/show.ts')).show))
  program
    .command('watch')
    .description('follows a request to its end, asks for the code, prints the result')
    .argument('<request>', NAMED, parseRequest)
    .action(onInstallation(async () => (await import('./commands/watch.ts')).watch))
  program
    .command('cancel')
    .description('cancels requests, whether they wait or run')
    .argument('<requests...>', NAMED, parseRequests)
    .option('--reason <text>', 'why, for the person to read; at most 200 characters', parseReason)
    .action(onInstallation(async () => (await import('./commands/cancel.ts')).cancel))
}

function addFailedCommands(program: Command, onInstallation: OnInstallation): void {
  const failed = program.command('failed').description('failed requests: the last 1,000 of seven days')
  failed
    .command('list', { isDefault: true })
    .description('lists them, newest first')
    .option('--code <code>', 'only those that failed with this code')
    .action(onInstallation(async () => (await import('./commands/failed.ts')).listFailed))
  failed
    .command('retry')
    .description('retries one or all of them, while their submitted data exists')
    .argument('[requests...]', NAMED, parseRequests)
    .option('--all', 'every one that has not been retried yet')
    .option('--code <code>', 'with --all, only those that failed with this code')
    .action(onInstallation(async () => (await import('./commands/failed.ts')).retryFailed))
}

function reportError(error: unknown, { printError }: Context): ExitCode {
  // Commander has printed it.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
  printError(`halfway: ${describeError(error)}`)
  if (error instanceof CommandRefusal) return EXIT.failed
  if (error instanceof StartupError) return EXIT.unavailable
  if (!(error instanceof AppError)) return isBug(error) ? EXIT.failed : EXIT.unavailable
  if (error.code === 'request_not_found' || error.code === 'request_expired') return EXIT.notFound
  return error.code === 'storage_unavailable' ? EXIT.unavailable : EXIT.failed
}
