/**
 * A Halfway installation: servers, workers and bots as separate processes on one Redis, each restarted at the same port when
 * it exits, as a process manager does. Their output goes to one file.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inject, type TestContext } from 'vitest'
import { freePort } from '../../core/redis/local-server.ts'
import { knowsService } from '../helpers/announced.ts'
import { type JournalLine, readJournal } from './scripted.ts'

export type Role = 'server' | 'workers' | 'bridge' | 'bots'

export interface Member {
  readonly role: Role
  readonly pid: number
  /** Sends a signal that ends it; resolves with its exit code or the signal. It is restarted automatically. */
  kill(signal: NodeJS.Signals): Promise<number | string>
  /** Sends a signal that ends nothing (SIGSTOP, SIGCONT). */
  signal(signal: NodeJS.Signals): void
  /** Resolves once it is ready, after a restart too. */
  up(): Promise<void>
  /** Its exit codes or signals, in order. */
  readonly ends: (number | string)[]
}

export interface Installation {
  /** Addresses of the servers, without a trailing slash. */
  readonly urls: readonly string[]
  readonly servers: readonly Member[]
  readonly workers: readonly Member[]
  readonly bridges: readonly Member[]
  readonly bots: readonly Member[]
  /** Events of the bots in order; outlives their processes. */
  journal(): JournalLine[]
  /** The output of all processes. */
  logs(): string
}

export interface InstallationOptions {
  /** Settings of every process: the Redis, and differences from the defaults below. */
  settings: NodeJS.ProcessEnv
  servers?: number
  workers?: number
  /** None where nothing is said. */
  bridges?: number
  /** Scripted ones, each at its own address. */
  bots?: number
  /** The address of a running bot that announces nothing, instead of the scripted one. */
  botUrl?: string
  /** Additional settings of one role. */
  only?: Partial<Record<Role, NodeJS.ProcessEnv>>
  /** The limit of open files of the role's processes; needs `prlimit`. */
  openFiles?: Partial<Record<Role, number>>
  /** Where the output goes instead of the log file: a full device, or a pipe that is closed or never read. */
  output?: 'full' | 'closed' | 'unread'
  /** A file that the role's processes preload. */
  preload?: Partial<Record<Role, string>>
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MAINS: Record<Role, string> = {
  server: 'server/main.ts',
  workers: 'workers/main.ts',
  bridge: 'bridge/main.ts',
  bots: 'test/faults/fixtures/bots.ts',
}
/** A process that cannot start must not use the whole machine by restarting. */
const RESTART_DELAY_MS = 200

/** Resolves once all processes are ready; stopped with the test at the latest. */
export async function startInstallation(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  options: InstallationOptions,
): Promise<Installation> {
  const folder = mkdtempSync(join(tmpdir(), 'halfway-faults-'))
  const journalFile = join(folder, 'journal')
  const logFile = join(folder, 'log')
  const log = openSync(options.output === 'full' ? '/dev/full' : logFile, 'a')
  const shared: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    LOG_LEVEL: 'debug',
    BOT_CONCURRENCY: '10000',
    ...(options.botUrl !== undefined && { LOCAL_API_URL: options.botUrl }),
    LOCAL_API_TOKEN: 'a-token-of-the-fault-tests',
    LOCAL_API_TIMEOUT: '120',
    WORKER_CONCURRENCY: '50',
    SUBMITS_PER_MINUTE: '1000000',
    MAX_UNFINISHED_PER_SUBMITTER: '1000000',
    MAX_UNFINISHED_PER_QUEUE: '1000000',
    MAX_UNFINISHED: '1000000',
    ACTIONS_PER_MINUTE: '1000000',
    SOCKETS_PER_ADDRESS: '0',
    STREAMS_PER_ADDRESS: '0',
    STATUS_READS_PER_MINUTE: '0',
    SUBJECT_CODES_PER_HOUR: '1000000',
    SUBJECT_WRONG_CODES_PER_HOUR: '1000000',
    FAULT_JOURNAL: journalFile,
    ...options.settings,
  }
  let stopping = false
  const endedAtStart: Promise<never>[] = []

  const startMember = (role: Role, settings: NodeJS.ProcessEnv = {}): Member => {
    const ends: (number | string)[] = []
    let child!: ChildProcess
    let up: Promise<void>
    const start = (): void => {
      const preload = options.preload?.[role]
      const openFiles = options.openFiles?.[role]
      const output = options.output === undefined || options.output === 'full' ? log : 'pipe'
      const command = [
        ...(openFiles === undefined ? [] : ['prlimit', `--nofile=${openFiles}:${openFiles}`]),
        process.execPath,
        ...(preload ? ['--import', preload] : []),
        '--require',
        inject('runBundled'),
        MAINS[role],
      ]
      child = spawn(command[0] as string, command.slice(1), {
        cwd: ROOT,
        env: { ...shared, ...options.only?.[role], ...settings },
        stdio: ['ignore', output, output, 'ipc'],
      })
      if (options.output === 'closed') for (const pipe of [child.stdout, child.stderr]) pipe?.destroy()
      up = new Promise((resolve) => child.once('message', () => resolve()))
      child.once('exit', (code, signal) => {
        ends.push(code ?? signal ?? -1)
        if (!stopping) setTimeout(() => stopping || start(), RESTART_DELAY_MS)
      })
    }
    start()
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`${role} ended with ${code} at its start:\n${installation.logs().slice(-2000)}`)
    })
    // After that, every exit leads to a restart.
    ended.catch(() => {})
    endedAtStart.push(ended)
    return {
      role,
      ends,
      get pid() {
        return child.pid as number
      },
      kill(signal) {
        const dying = child
        const ended = new Promise<number | string>((resolve) =>
          dying.once('exit', (code, by) => resolve(code ?? by ?? -1)),
        )
        if (dying.exitCode !== null || dying.signalCode !== null)
          return Promise.resolve(dying.exitCode ?? dying.signalCode ?? -1)
        dying.kill(signal)
        return ended
      },
      signal: (signal) => void child.kill(signal),
      async up() {
        // A process may be restarted meanwhile: repeat until none has changed.
        for (let seen: unknown; seen !== child; ) {
          seen = child
          await up
        }
      },
    }
  }

  const ports = await Promise.all(Array.from({ length: options.servers ?? 1 }, freePort))
  const servers = ports.map((port) => startMember('server', { PORT: String(port), HOST: '127.0.0.1' }))
  const workers = Array.from({ length: options.workers ?? 1 }, () => startMember('workers'))
  const bridges = Array.from({ length: options.bridges ?? 0 }, () => startMember('bridge'))
  const botPorts = await Promise.all(
    Array.from({ length: options.botUrl === undefined ? (options.bots ?? 1) : 0 }, freePort),
  )
  const bots = botPorts.map((port) => startMember('bots', { LOCAL_API_PORT: String(port) }))
  const members = [...servers, ...workers, ...bridges, ...bots]

  onTestFinished(async () => {
    stopping = true
    await Promise.all(members.map((member) => member.kill('SIGKILL')))
    closeSync(log)
    rmSync(folder, { recursive: true, force: true })
  })
  const installation: Installation = {
    urls: ports.map((port) => `http://127.0.0.1:${port}`),
    servers,
    workers,
    bridges,
    bots,
    journal: () => readJournal(journalFile),
    logs: () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : ''),
  }
  await Promise.race([Promise.all(members.map((member) => member.up())), ...endedAtStart])
  await Promise.all(installation.urls.map((url) => knowsService(url, 'credit-score-rating')))
  return installation
}
