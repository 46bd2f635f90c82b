/**
 * `npm start`: runs everything on a machine with nothing but Node. Starts a private Redis when none is configured, then the
 * bots, the workers and the server as child processes, and stops them in reverse order. The bots are those of the examples,
 * with their demo portal, or with `npm start -- --bots bots/mine/main.ts` those of that file.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Command } from 'commander'
import pretty from 'pino-pretty'
import { openRedis } from './core/redis/connect.ts'
import { startOrJoinEmbedded } from './core/redis/embedded.ts'
import { parseOptions } from './core/runtime/command-line.ts'
import type { Log } from './core/runtime/log.ts'
import { runProcess, type Stoppable } from './core/runtime/process.ts'
import { StartupError } from './core/runtime/startup-error.ts'
import { visible, visibleLog } from './core/runtime/visible-text.ts'

interface Part {
  name: string
  main: string
}

/** The examples may be removed: what is not there is not started. */
const EXAMPLES: Part[] = [
  { name: 'portal', main: 'bots/examples/demo-portal/main.ts' },
  { name: 'bots', main: 'bots/examples/main.ts' },
].filter(({ main }) => existsSync(main))
/** After the bots, so that these have announced their services, and stop last: open calls can still be answered. */
const HALFWAY: Part[] = [
  { name: 'workers', main: 'workers/main.ts' },
  { name: 'server', main: 'server/main.ts' },
]

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
  const bots = parseBots(process.argv.slice(2))
  if (!bots) return context.shutdown('only --help was requested')
  const env: NodeJS.ProcessEnv = { ...process.env }
  if (config.redis.kind === 'embedded') {
    const redis = await register('private redis', startOrJoinEmbedded(log))
    env.REDIS_URL = redis.target.url
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
    const starting = parts.map(({ name, main }) =>
      keepRunning(name, main, env, log, {
        onNotes: (lines) => notes.push(...lines),
        onRestartFailed: () => stopAll(name),
      }),
    )
    for (const child of starting) child.catch(() => {})
    for (const [i, { name }] of parts.entries()) await register(name, starting[i] as Promise<Stoppable>)
  }
  await startAll(bots)
  await startAll(HALFWAY)

  const lines = [`Halfway is ready:  http://localhost:${config.server.port}`, ...notes, 'Stop with Ctrl-C.']
  process.stdout.write(`\n${lines.map((line) => `  ${line}\n`).join('')}\n`)
})

/** @returns null after --help was printed  @throws StartupError for a file that does not exist */
function parseBots(args: readonly string[]): Part[] | null {
  const command = new Command('npm start --')
    .description('Starts everything: a Redis unless one is set, the bots, the workers and the server.')
    .option('--bots <file>', 'main file of the bots, such as bots/mine/main.ts, instead of the examples')
  const options = parseOptions<{ bots?: string }>(command, args)
  if (!options) return null
  const { bots: main } = options
  if (main === undefined) return EXAMPLES
  if (!existsSync(main)) throw new StartupError(`--bots: there is no file ${main}.`)
  return [{ name: 'bots', main }]
}

/**
 * Starts a process and restarts it whenever it exits unexpectedly, so that requests continue. `onRestartFailed` is called
 * when a restart fails.
 *
 * @throws StartupError when the first start fails
 */
async function keepRunning(
  name: string,
  main: string,
  env: NodeJS.ProcessEnv,
  log: Log,
  { onNotes, onRestartFailed }: { onNotes: (lines: string[]) => void; onRestartFailed: () => void },
): Promise<Stoppable> {
  let stopping = false
  let child = await startChild(name, main, env, onNotes)
  const watch = (): void => {
    child.once('exit', async (code, signal) => {
      if (stopping) return
      log.error({ process: name, code, signal }, 'a process exited unexpectedly, restarting it')
      try {
        child = await startChild(name, main, env)
        if (stopping) await stopChild(child)
        else watch()
      } catch {
        if (!stopping) onRestartFailed()
      }
    })
  }
  watch()
  return {
    stop() {
      stopping = true
      return stopChild(child)
    },
  }
}

/** Resolves once the process reports that it has started. @throws StartupError when it exits before */
async function startChild(
  name: string,
  main: string,
  env: NodeJS.ProcessEnv,
  onNotes: (lines: string[]) => void = () => {},
): Promise<ChildProcess> {
  // In its own process group: Ctrl-C reaches only this process, which then stops the others in order.
  const child = spawn(process.execPath, [...process.execArgv, main], {
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

function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  return exited
}
