/**
 * The frame of every process: start the parts in order, stop them in reverse within a limit. A part is anything with
 * a `stop`. What cannot start is told in one sentence; a second signal does not wait any longer.
 */
import { existsSync } from 'node:fs'
import type { DestinationStream } from 'pino'
import { type Config, loadConfig } from './config.ts'
import { createLog, type Log } from './log.ts'
import { StartupError } from './startup-error.ts'
import { visible, visibleLines } from './visible-text.ts'

export interface Stoppable {
  stop(): Promise<void> | void
}

export interface ProcessContext {
  config: Config
  log: Log
  /** Takes a started part (or the promise of one) into care: it is stopped in reverse order. */
  register<T extends Stoppable>(name: string, part: T | Promise<T>): Promise<T>
  /** Stops the process as a signal would: its work is done. */
  shutdown(why: string): void
  /** Once the process is told to stop, its parts are left behind when they have waited in vain for a few seconds. */
  leaveWhen(waitsInVain: () => boolean): void
}

/** What stopping may take beside the time that running work has to finish. */
const SHUTDOWN_TIMEOUT_MS = 10_000
/** How long parts wait in vain, such as for a Redis that is away, before they are left behind. */
const LEAVE_AFTER_MS = 3_000
/** A runner (npm, tsx) may pass on a signal that its whole group was sent: only a later one is impatience. */
const FORCE_EXIT_AFTER_MS = 500

/**
 * Runs one process from its `main.ts`; only here are signals heard and the process ended.
 *
 * @param env the process' environment; a `.env` file beside package.json adds what it does not set
 * @param logTo where the log goes, standard output if left out
 */
export async function runProcess(
  { name, env, logTo }: { name: string; env: NodeJS.ProcessEnv; logTo?: DestinationStream },
  start: (app: ProcessContext) => Promise<void>,
): Promise<void> {
  const parts: { name: string; part: Promise<Stoppable> }[] = []
  let log = createLog(name, 'info', logTo)
  let started = false
  let stoppingSince: number | null = null
  let exitCode = 0
  let stopLimitMs = SHUTDOWN_TIMEOUT_MS
  let waitsInVain = (): boolean => false

  const stop = async (code: number, why: string): Promise<void> => {
    exitCode ||= code
    if (stoppingSince !== null) return
    stoppingSince = performance.now()
    log[started ? 'info' : 'debug']({ why, limit_ms: stopLimitMs }, 'stopping')
    const limit = setTimeout(() => {
      log.error({ limit_ms: stopLimitMs }, 'could not stop in time')
      process.exit(1)
    }, stopLimitMs)
    const inVain = trueFor(() => waitsInVain(), LEAVE_AFTER_MS)
    for (let last = parts.pop(); last; last = parts.pop()) {
      // What is still starting is waited for: a server or a process must not be left behind.
      const part = await last.part.catch(() => null)
      try {
        await Promise.race([part?.stop(), inVain])
      } catch (error) {
        log.warn({ err: error, part: last.name }, 'a part did not stop cleanly')
      }
    }
    clearTimeout(limit)
    log[started ? 'info' : 'debug']('stopped')
    process.exit(exitCode)
  }

  // Nobody reads any more, or the disk is full: that is no reason to stop working.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stoppingSince !== null && performance.now() - stoppingSince > FORCE_EXIT_AFTER_MS) process.exit(130)
    void stop(0, signal)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  // A parent that dies without a word (its IPC channel closes) takes its children with it.
  process.on('disconnect', () => void stop(0, 'parent is gone'))
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception')
    void stop(1, 'uncaught exception')
  })
  process.on('unhandledRejection', (error) => {
    log.fatal({ err: error }, 'unhandled rejection')
    void stop(1, 'unhandled rejection')
  })

  try {
    if (existsSync('.env')) process.loadEnvFile('.env')
    const config = loadConfig(env)
    log = createLog(name, config.logLevel, logTo)
    stopLimitMs += config.drainSeconds * 1000
    await start({
      config,
      log,
      async register(partName, part) {
        parts.push({ name: partName, part: Promise.resolve(part) })
        return part
      },
      shutdown: (why) => void stop(0, why),
      leaveWhen: (condition) => {
        waitsInVain = condition
      },
    })
    if (stoppingSince !== null) return
    started = true
    log.info('started')
    process.send?.('started')
  } catch (error) {
    if (error instanceof StartupError) process.stderr.write(`${visibleLines(`${name}: ${error.message}`)}\n`)
    else log.fatal({ err: error }, 'could not start')
    await stop(1, 'could not start')
  }
}

/** Resolves once this has been true for so long without a break. */
function trueFor(condition: () => boolean, ms: number): Promise<void> {
  let since: number | null = null
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      since = condition() ? (since ?? performance.now()) : null
      if (since === null || performance.now() - since < ms) return
      clearInterval(timer)
      resolve()
    }, 100)
  })
}

/**
 * Runs a command that ends by itself, from its `main.ts`.
 *
 * @param command gets the environment, with what a `.env` file adds, and a signal that Ctrl-C aborts; gives the exit code
 */
export async function runCommand(
  env: NodeJS.ProcessEnv,
  command: (env: NodeJS.ProcessEnv, signal: AbortSignal) => Promise<number>,
): Promise<void> {
  const abort = new AbortController()
  const interrupt = (): void => {
    if (abort.signal.aborted) process.exit(130)
    abort.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  const fail = (error: unknown): void => {
    process.stderr.write(`Something unexpected happened: ${visible(String(error))}\n`)
    process.exit(1)
  }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)
  // Whoever reads along has had enough, as `head` has.
  process.stdout.on('error', () => process.exit(0))
  if (existsSync('.env')) process.loadEnvFile('.env')
  process.exitCode = await command(env, abort.signal)
  process.off('SIGINT', interrupt)
  process.off('SIGTERM', interrupt)
}

/** Listens, or says in one sentence why it cannot. */
export function listen(
  server: import('node:http').Server,
  { port, host, setting }: { port: number; host: string; setting: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        reject(
          new StartupError(
            `Port ${port} is already in use; stop what uses it or set ${setting} to another one.`,
          ),
        )
      } else if (error.code === 'EACCES' || error.code === 'EADDRNOTAVAIL') {
        reject(
          new StartupError(
            `Cannot listen on ${host}:${port} (${error.code}); set ${setting} to a port that is allowed.`,
          ),
        )
      } else reject(error)
    })
    server.listen(port, host, resolve)
  })
}
