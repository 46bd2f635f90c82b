/** The commands, their options, and the border at which everything that can go wrong becomes one sentence. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { allServices } from '../core/catalog/index.ts'
import { AppError } from '../core/domain/errors.ts'
import { STATUSES } from '../core/domain/record.ts'
import { isRequestHash } from '../core/domain/request-id.ts'
import { wholeNumber } from '../core/runtime/command-line.ts'
import { loadConfig } from '../core/runtime/config.ts'
import { StartupError } from '../core/runtime/startup-error.ts'
import { visible } from '../core/runtime/visible-text.ts'
import { cancel } from './commands/cancel.ts'
import { cleanup } from './commands/cleanup.ts'
import { doctor } from './commands/doctor.ts'
import { listFailed, retryFailed } from './commands/failed.ts'
import { list } from './commands/list.ts'
import { queues } from './commands/queues.ts'
import { show } from './commands/show.ts'
import { watch } from './commands/watch.ts'
import { type Installation, openInstallation } from './installation.ts'
import {
  type Context,
  createContext,
  EXIT,
  type ExitCode,
  isOurMistake,
  sentence,
  type Terminal,
} from './terminal.ts'

const DESCRIPTION =
  'Looks after the requests, queues and failures of the installation that the settings (environment, .env) name.'
const EXIT_CODES = `
Exit codes: 0 done; 1 refused, or something is not as it should be; 2 wrong command line;
3 no such request; 4 Redis or a setting.

Examples:
  npm run cli -- list --status failed
  npm run cli -- watch req_…
  npm run cli -- failed retry --all
  npm run cli -- queues --json | jq '.[].waiting'`

const hash = (text: string): string => {
  if (!isRequestHash(text))
    throw new InvalidArgumentError('A hash is req_ and 16 to 64 letters, digits, - and _.')
  return text
}

/** @returns the exit code */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  let code: ExitCode = EXIT.done
  let json = false
  const context = (): Context => createContext(terminal, json)
  /** A command that works on the installation. */
  const on =
    <Args extends unknown[]>(
      run: (context: Context, installation: Installation, ...args: Args) => Promise<ExitCode>,
    ) =>
    async (...args: Args): Promise<void> => {
      const installation = await openInstallation(loadConfig(terminal.env))
      try {
        code = await run(context(), installation, ...args)
      } finally {
        await installation.stop()
      }
    }

  const program = new Command('npm run cli --')
    .description(DESCRIPTION)
    .option('--json', 'print JSON, for programs')
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context().print(...text.trimEnd().split('\n')),
      writeErr: (text) => context().complain(text.trimEnd()),
    })
    .configureHelp({ showGlobalOptions: true })
    .hook('preAction', (_program, command) => {
      json = Boolean(command.optsWithGlobals().json)
    })

  program
    .command('list')
    .description('the requests there are, the newest first')
    .addOption(new Option('--status <status>', 'only those in this state').choices(STATUSES))
    .addOption(
      new Option('--service <slug>', 'only those of this service').choices(
        allServices().map(({ slug }) => slug),
      ),
    )
    .option('--limit <n>', 'so many at most', wholeNumber(1, 100_000), 100)
    .action(on(list))
  program
    .command('show')
    .description('one request: how it stands, its steps, how long it lives')
    .argument('<hash>', 'the request', hash)
    .option('--raw', 'the whole record, with what the person sent')
    .action(on(show))
  program
    .command('watch')
    .description('follows a request to its end, asks for the code, prints the result')
    .argument('<hash>', 'the request', hash)
    .action(on(watch))
  program
    .command('cancel')
    .description('stops a request, wherever it runs')
    .argument('<hash>', 'the request', hash)
    .action(on(cancel))

  const failed = program.command('failed').description('requests that failed: the last 1,000 of seven days')
  failed.command('list', { isDefault: true }).description('the newest first').action(on(listFailed))
  failed
    .command('retry')
    .description('sends one or all of them again, while what their people sent is still there')
    .argument('[hash]', 'the request', hash)
    .option('--all', 'every one that was not sent again yet')
    .action(on(retryFailed))

  program
    .command('queues')
    .description('who waits, runs, is put off or has failed, in each queue')
    .action(on(queues))
  program
    .command('cleanup')
    .description('removes what belongs to nobody: stray list entries and reminders, orphaned jobs and keys')
    .option('--dry-run', 'only say what would be removed')
    .action(on(cleanup))
  program
    .command('doctor')
    .description('tries whether everything works, and says what to do where it does not')
    .action(async () => {
      code = await doctor(context())
    })

  try {
    // Complaints about the command line repeat what was typed.
    await program.parseAsync(args.map(visible), { from: 'user' })
    return code
  } catch (error) {
    return explain(error, context())
  }
}

function explain(error: unknown, { complain }: Context): ExitCode {
  // Commander has said it.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
  complain(`halfway: ${sentence(error)}`)
  if (error instanceof StartupError) return EXIT.unavailable
  if (!(error instanceof AppError)) return isOurMistake(error) ? EXIT.failed : EXIT.unavailable
  if (error.code === 'request_not_found' || error.code === 'request_expired') return EXIT.notFound
  return error.code === 'storage_unavailable' ? EXIT.unavailable : EXIT.failed
}
