/**
 * `npm start`, and `halfway start` of the package: runs everything on a machine with nothing but Node. Starts a private Redis
 * when none is configured, then the bots, the workers and the server as child processes, and stops them in reverse order. The
 * bots are those of the examples, with their demo portal, or with `--bots` those of a main file or of a folder of services.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Command } from 'commander'
import pretty from 'pino-pretty'
import { openRedis } from './core/redis/connect.ts'
import { startOrJoinEmbedded } from './core/redis/embedded.ts'
import { commandName, parseOptions, wholeNumber } from './core/runtime/command-line.ts'
import { keepRunning } from './core/runtime/keep-running.ts'
import { runProcess, type Stoppable } from './core/runtime/process.ts'
import { StartupError } from './core/runtime/startup-error.ts'
import { visible, visibleLog } from './core/runtime/visible-text.ts'

interface Part {
  name: string
  main: string
  args?: string[]
  env?: NodeJS.ProcessEnv
}

/** The file of a process beside this one: in the package both are compiled. */
const fileOf = (process: string): string => join(import.meta.dirname, `${process}${extname(import.meta.url)}`)

/** The examples may be removed: what is not there is not started. */
const EXAMPLES: Part[] = [
  { name: 'portal', main: fileOf('bots/examples/demo-portal/main') },
  { name: 'bots', main: fileOf('bots/examples/main') },
].filter(({ main }) => existsSync(main))
/** After the bots, so that these have announced their services, and stop last: open calls can still be answered. */
const partsOfHalfway = (processes: number): Part[] => [
  ...Array.from({ length: processes }, (_, i) => ({
    name: processes === 1 ? 'workers' : `workers ${i + 1}`,
    main: fileOf('workers/main'),
    env: metricsPortOf(i),
  })),
  {
    name: 'server',
    main: fileOf('server/main'),
    args: processes === 1 ? [] : ['--processes', String(processes)],
  },
]
/** Each process has metrics of its own, at the next port. */
const metricsPortOf = (i: number): NodeJS.ProcessEnv => {
  const first = process.env.WORKER_METRICS_PORT
  return first ? { WORKER_METRICS_PORT: String(Number(first) + i) } : {}
}

/** Short, so that Ctrl-C is quick: nothing else of this installation is left to continue the work. */
const DRAIN_SECONDS = '3'

const prettyOutput = pretty({
  ignore: 'pid',
  translateTime: 'SYS:HH:MM:ss',
  singleLine: true,
  colorize: process.stdout.isTTY,
})
/** Prints log lines in a readable form. */
const output = { write: (line: string) => void prettyOutput.write(visibleLog(line)) }

await runProcess({ name: 'halfway', env: process.env, logTo: output }, async (context) => {
  const { config, log, register } = context
  const options = parseStartOptions(process.argv.slice(2))
  if (!options) return context.shutdown('only --help was requested')
  const env: NodeJS.ProcessEnv = { ...process.env }
  let announceStop = (): void => {}
  if (config.redis.kind === 'embedded') {
    const redis = await register('private redis', startOrJoinEmbedded(log))
    env.REDIS_URL = redis.target.url
    announceStop = redis.announceStop
  } else {
    // Checked here, so that a failure is reported once instead of by each process.
    const connections = await openRedis(config.redis, log, config.connections)
    await connections.connect('fail-fast')
    await connections.stop()
  }
  env.DRAIN_SECONDS ||= DRAIN_SECONDS
  env.LOCAL_API_TOKEN ??= randomBytes(24).toString('base64url')

  const stopAll = (name: string): void => {
    log.error({ process: name }, 'a process exits before it has started, stopping all')
    process.kill(process.pid, 'SIGTERM')
  }
  const notes: string[] = []
  // Started concurrently, since each takes a while to load; registered in order, so that they stop in reverse order.
  async function startAll(parts: readonly Part[]): Promise<void> {
    const onNotes = (lines: string[]): void => void notes.push(...lines)
    const starting = parts.map((part) =>
      keepRunning(part.name, () => startChild(part, { ...env, ...part.env }, onNotes), {
        log,
        onRestartFailed: () => stopAll(part.name),
      }),
    )
    for (const child of starting) child.catch(() => {})
    for (const [i, { name }] of parts.entries()) await register(name, starting[i] as Promise<Stoppable>)
  }
  await startAll(options.bots)
  await startAll(partsOfHalfway(options.processes))
  // Registered last, so called first: a start meanwhile would join a Redis that is about to end.
  await register('announcement of the stop', { stop: announceStop })

  const lines = [`Halfway is ready:  http://localhost:${config.server.port}`, ...notes, 'Stop with Ctrl-C.']
  process.stdout.write(`\n${lines.map((line) => `  ${line}\n`).join('')}\n`)
})

/** @returns null after --help was printed  @throws StartupError for a path that does not exist */
function parseStartOptions(args: readonly string[]): { bots: Part[]; processes: number } | null {
  const command = new Command(commandName('npm start --', 'halfway start'))
    .description('Starts everything: a Redis unless one is set, the bots, the workers and the server.')
    .option(
      '--bots <path>',
      'the bots instead of the examples: a folder of services, or the main file of a bot',
    )
    .option('--processes <n>', 'how many servers, which share the port, and workers', wholeNumber(1, 256), 1)
  const options = parseOptions<{ bots?: string; processes: number }>(command, args)
  return options && { bots: botsAt(options.bots), processes: options.processes }
}

function botsAt(path: string | undefined): Part[] {
  if (path === undefined) return EXAMPLES
  if (!existsSync(path)) throw new StartupError(`--bots: there is no file ${path}.`)
  if (!statSync(path).isDirectory()) return [{ name: 'bots', main: path }]
  return [{ name: 'bots', main: fileOf('bots/service-folder/main'), args: [path] }]
}

/** Resolves once the process reports that it has started. @throws StartupError when it exits before */
async function startChild(
  { name, main, args = [] }: Part,
  env: NodeJS.ProcessEnv,
  onNotes: (lines: string[]) => void = () => {},
): Promise<ChildProcess> {
  // In its own process group: Ctrl-C reaches only this process, which then stops the others in order.
  const child = spawn(process.execPath, [...process.execArgv, main, ...args], {
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let hasPrinted = false
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', output.write)
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => {
    hasPrinted = true
    process.stderr.write(`${visible(line)}\n`)
  })
  await new Promise<void>((resolve, reject) => {
    child.once('message', (lines: string[]) => {
      onNotes(lines)
      resolve()
    })
    child.once('error', reject)
    child.once('exit', () =>
      reject(new StartupError(`The ${name} did not start. ${hasPrinted ? 'See above.' : ''}`)),
    )
  })
  return child
}
