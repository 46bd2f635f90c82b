/** Defines the commands and their options, and turns every error into one sentence and an exit code. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { AppError } from '../core/domain/errors.ts'
import { STATUSES } from '../core/domain/record.ts'
import { isRequestHash } from '../core/domain/request-id.ts'
import { commandName, wholeNumber } from '../core/runtime/command-line.ts'
import { loadConfig } from '../core/runtime/config.ts'
import { StartupError } from '../core/runtime/startup-error.ts'
import { visible } from '../core/runtime/visible-text.ts'
import { type BotTestFlags, botTest } from './commands/bot-test.ts'
import { cancel } from './commands/cancel.ts'
import { cleanup } from './commands/cleanup.ts'
import { doctor } from './commands/doctor.ts'
import { listFailed, retryFailed } from './commands/failed.ts'
import { init } from './commands/init.ts'
import { list } from './commands/list.ts'
import { queues } from './commands/queues.ts'
import { show } from './commands/show.ts'
import { watch } from './commands/watch.ts'
import { type Installation, openInstallation } from './installation.ts'
import {
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
  ${NAME} watch req_…
  ${NAME} failed retry --all
  ${NAME} queues --json | jq '.[].waiting'`

const parseHash = (text: string): string => {
  if (!isRequestHash(text))
    throw new InvalidArgumentError('A hash is req_ and 16 to 64 letters, digits, - and _.')
  return text
}

const parseUrl = (text: string): string => {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw new InvalidArgumentError('It must be http://host:port.')
  return text
}

function parseData(text: string): Record<string, unknown> {
  try {
    const data: unknown = JSON.parse(text)
    if (typeof data === 'object' && data !== null && !Array.isArray(data)) return { ...data }
  } catch {
    // Refused below.
  }
  throw new InvalidArgumentError('It must be a JSON object.')
}

/** Makes an action out of a command that works on the installation. */
type OnInstallation = <Args extends unknown[]>(
  run: (context: Context, installation: Installation, ...args: Args) => Promise<ExitCode>,
) => (...args: Args) => Promise<void>

/** @returns the exit code */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  let code: ExitCode = EXIT.done
  let json = false
  const context = (): Context => createContext(terminal, json)
  const onInstallation: OnInstallation =
    (run) =>
    async (...commandArgs) => {
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
    })
    .configureHelp({ showGlobalOptions: true })
    .hook('preAction', (_program, command) => {
      json = Boolean(command.optsWithGlobals().json)
    })
  addRequestCommands(program, onInstallation)
  addFailedCommands(program, onInstallation)
  addMaintenanceCommands(program, onInstallation)
  program
    .command('doctor')
    .description('checks every part of the installation, and prints how to fix what is wrong')
    .action(async () => {
      code = await doctor(context())
    })
  addBotTest(program, async (...args) => {
    code = await botTest(context(), ...args)
  })
  program
    .command('init')
    .description('writes a project with one service of its own')
    .argument('<folder>', 'the folder, which it creates')
    .option('--halfway <version>', 'the version, folder or file of Halfway that the project depends on')
    .action(async (folder: string, options: { halfway?: string }) => {
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
    .option('--limit <n>', 'maximum number of requests', wholeNumber(1, 100_000), 100)
    .action(onInstallation(list))
  program
    .command('show')
    .description('shows one request: status, steps, times')
    .argument('<hash>', 'the request', parseHash)
    .option('--raw', 'the whole record, including the submitted data')
    .action(onInstallation(show))
  program
    .command('watch')
    .description('follows a request to its end, asks for the code, prints the result')
    .argument('<hash>', 'the request', parseHash)
    .action(onInstallation(watch))
  program
    .command('cancel')
    .description('cancels a request, whether it waits or runs')
    .argument('<hash>', 'the request', parseHash)
    .action(onInstallation(cancel))
}

function addFailedCommands(program: Command, onInstallation: OnInstallation): void {
  const failed = program.command('failed').description('failed requests: the last 1,000 of seven days')
  failed
    .command('list', { isDefault: true })
    .description('lists them, newest first')
    .action(onInstallation(listFailed))
  failed
    .command('retry')
    .description('retries one or all of them, while their submitted data exists')
    .argument('[hash]', 'the request', parseHash)
    .option('--all', 'every one that has not been retried yet')
    .action(onInstallation(retryFailed))
}

function addMaintenanceCommands(program: Command, onInstallation: OnInstallation): void {
  program
    .command('queues')
    .description('counts waiting, running, delayed and failed requests of each queue')
    .action(onInstallation(queues))
  program
    .command('cleanup')
    .description('removes list entries, scheduled checks, jobs and keys that no request needs')
    .option('--dry-run', 'only print what would be removed')
    .action(onInstallation(cleanup))
}

function reportError(error: unknown, { printError }: Context): ExitCode {
  // Commander has printed it.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
  printError(`halfway: ${describeError(error)}`)
  if (error instanceof StartupError) return EXIT.unavailable
  if (!(error instanceof AppError)) return isBug(error) ? EXIT.failed : EXIT.unavailable
  if (error.code === 'request_not_found' || error.code === 'request_expired') return EXIT.notFound
  return error.code === 'storage_unavailable' ? EXIT.unavailable : EXIT.failed
}
