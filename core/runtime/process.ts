/**
 * The lifecycle of every process: starts its parts in order and stops them in reverse order, within a time limit. A part is
 * anything with a `stop`. A failed start is one sentence on standard error; a second signal ends the process immediately.
 */
import type { DestinationStream } from 'pino'
import { type Config, loadConfig } from './config.ts'
import { sealsData } from './data-box.ts'
import { createLog, type Log } from './log.ts'
import { flushLog, standardOutput } from './log-output.ts'
import { loadSettingsFile } from './settings-file.ts'
import { StartupError } from './startup-error.ts'
import { visible, visibleLines } from './visible-text.ts'

export interface Stoppable {
  stop(): Promise<void> | void
}

export interface ProcessContext {
  config: Config
  log: Log
  /** For the audit log, whatever LOG_LEVEL says, unless that is `silent`. */
  auditLog: Log
  /** Registers a part that has started, or is starting, to be stopped with the process. */
  register<T extends Stoppable>(name: string, part: T | Promise<T>): Promise<T>
  /** A line for the person who ran `npm start`, printed once everything has started. */
  note(line: string): void
  /** Stops the process as a signal would: its work is done. */
  shutdown(why: string): void
  /** A process that is stopping abandons its parts once `isStuck` has been true for 3 s. */
  leaveWhen(isStuck: () => boolean): void
}

/** Time limit for stopping, beside the time that running work has to finish. */
const SHUTDOWN_TIMEOUT_MS = 10_000
/** How long parts may be stuck, such as on a Redis that is away, before they are abandoned. */
const ABANDON_AFTER_MS = 3_000
/** A runner (npm, tsx) may pass on a signal that its whole process group received: only a later one is a second signal. */
const FORCE_EXIT_AFTER_MS = 500

interface RunningProcess {
  log: Log
  parts: { name: string; part: Promise<Stoppable> }[]
  notes: string[]
  started: boolean
  /** By the monotonic clock. */
  stoppingSince: number | null
  exitCode: number
  stopLimitMs: number
  isStuck: () => boolean
}

/**
 * Runs one process from its `main.ts`. Nothing else handles its signals or exits it.
 *
 * @param env the process' environment; a `.env` file beside package.json adds what it does not set
 * @param logTo where the log is written, standard output by default
 */
export async function runProcess(
  { name, env, logTo = standardOutput }: { name: string; env: NodeJS.ProcessEnv; logTo?: DestinationStream },
  start: (context: ProcessContext) => Promise<void>,
): Promise<void> {
  const running: RunningProcess = {
    log: createLog(name, 'info', { destination: logTo }),
    parts: [],
    notes: [],
    started: false,
    stoppingSince: null,
    exitCode: 0,
    stopLimitMs: SHUTDOWN_TIMEOUT_MS,
    isStuck: () => false,
  }
  stopOnSignals(running)
  try {
    loadSettingsFile()
    const config = loadConfig(env)
    running.log = createLog(name, config.logLevel, {
      destination: logTo,
      wholeErrors: !config.production,
    })
    running.stopLimitMs += config.drainSeconds * 1000
    await start({
      config,
      log: running.log,
      auditLog: createLog('audit', config.logLevel === 'silent' ? 'silent' : 'info', { destination: logTo }),
      async register(partName, part) {
        running.parts.push({ name: partName, part: Promise.resolve(part) })
        return part
      },
      note: (line) => void running.notes.push(line),
      shutdown: (why) => void stop(running, 0, why),
      leaveWhen: (isStuck) => {
        running.isStuck = isStuck
      },
    })
    if (running.stoppingSince !== null) return
    running.started = true
    running.log.info('started')
    // A bridge passes on what others have sealed.
    if (config.production && name !== 'bridge' && isReadable(config)) running.log.warn(NOTHING_SEALED)
    process.send?.(running.notes)
  } catch (error) {
    if (error instanceof StartupError) process.stderr.write(`${visibleLines(`${name}: ${error.message}`)}\n`)
    else running.log.fatal({ err: error }, 'could not start')
    await stop(running, 1, 'could not start')
  }
}

/** A bot that reports over HTTP stores nothing itself. */
const isReadable = ({ connections, bots }: Config): boolean =>
  !sealsData(connections.dataKeys) && bots.halfwayUrl === null

const NOTHING_SEALED =
  'DATA_KEY names no key that seals: what people type, codes and results can be read in Redis, its files and its replicas'

function stopOnSignals(running: RunningProcess): void {
  // A closed pipe or a full disk is no reason to stop working.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const onSignal = (signal: NodeJS.Signals): void => {
    const { stoppingSince } = running
    if (stoppingSince !== null && performance.now() - stoppingSince > FORCE_EXIT_AFTER_MS) process.exit(130)
    void stop(running, 0, signal)
  }
  process.on('exit', flushLog)
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  // The IPC channel closes when the parent dies, whatever killed it.
  process.on('disconnect', () => void stop(running, 0, 'parent process ended'))
  process.on('uncaughtException', (error) => {
    running.log.fatal({ err: error }, 'uncaught exception')
    void stop(running, 1, 'uncaught exception')
  })
  process.on('unhandledRejection', (error) => {
    running.log.fatal({ err: error }, 'unhandled rejection')
    void stop(running, 1, 'unhandled rejection')
  })
}

async function stop(running: RunningProcess, code: number, why: string): Promise<void> {
  const { log, parts, started, stopLimitMs } = running
  running.exitCode ||= code
  if (running.stoppingSince !== null) return
  running.stoppingSince = performance.now()
  log[started ? 'info' : 'debug']({ why, limit_ms: stopLimitMs }, 'stopping')
  const limit = setTimeout(() => {
    log.error({ limit_ms: stopLimitMs }, 'could not stop in time')
    process.exit(1)
  }, stopLimitMs)
  const abandoned = whenTrueFor(() => running.isStuck(), ABANDON_AFTER_MS)
  for (let last = parts.pop(); last; last = parts.pop()) {
    // A part that is still starting is awaited: a server or a child process must not be left behind.
    const part = await last.part.catch(() => null)
    try {
      await Promise.race([part?.stop(), abandoned])
    } catch (error) {
      log.warn({ err: error, part: last.name }, 'a part did not stop cleanly')
    }
  }
  clearTimeout(limit)
  log[started ? 'info' : 'debug']('stopped')
  process.exit(running.exitCode)
}

/** Resolves once the condition has been true for `ms` without interruption. */
function whenTrueFor(condition: () => boolean, ms: number): Promise<void> {
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
 * @param command receives the environment, with what a `.env` file adds, and a signal that Ctrl-C aborts; returns the exit code
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
    process.stderr.write(`Unexpected error: ${visible(String(error))}\n`)
    process.exit(1)
  }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)
  // The reader of the pipe has closed it, as `head` does.
  process.stdout.on('error', () => process.exit(0))
  loadSettingsFile()
  process.exitCode = await command(env, abort.signal)
  process.off('SIGINT', interrupt)
  process.off('SIGTERM', interrupt)
}

/** Of a program that is not run by `runProcess`: the first signal stops its part and then ends the process. */
export function onStopSignal(stop: () => Promise<void>): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stop().finally(() => process.exit()))
}

/** @throws StartupError when the port is in use or not allowed */
export function listen(
  server: import('node:http').Server,
  { port, host, setting }: { port: number; host: string; setting: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
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
    }
    server.once('error', onError)
    server.listen(port, host, () => {
      server.off('error', onError)
      // Without a free file descriptor no connection can be accepted: those that are open go on.
      server.on('error', () => {})
      resolve()
    })
  })
}
