/**
 * Halfway as it runs somewhere: servers, workers and bots as processes of their own on one Redis, each kept running as
 * a process manager would: whatever ends is started again at the same port. Everything they write goes to one file.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestContext } from 'vitest'
import { freePort } from '../../core/redis/local-server.ts'
import { type JournalLine, readJournal } from './scripted.ts'

export type Role = 'server' | 'workers' | 'bots'

export interface Member {
  readonly role: Role
  readonly pid: number
  /** Ends it like this and resolves with its exit code, or the signal that ended it; it is started again by itself. */
  kill(signal: NodeJS.Signals): Promise<number | string>
  /** Sends a signal that ends nothing (SIGSTOP, SIGCONT). */
  signal(signal: NodeJS.Signals): void
  /** Resolves once it is up (again). */
  up(): Promise<void>
  /** How it ended, each time. */
  readonly ends: (number | string)[]
}

export interface Installation {
  /** Where the servers answer, without a slash at the end. */
  readonly urls: readonly string[]
  readonly servers: readonly Member[]
  readonly workers: readonly Member[]
  readonly bots: readonly Member[]
  /** What the bots did, in order; survives them. */
  journal(): JournalLine[]
  /** Everything that all processes ever wrote. */
  logs(): string
}

export interface InstallationOptions {
  /** Settings of every process: which Redis, and whatever differs from the defaults below. */
  settings: NodeJS.ProcessEnv
  servers?: number
  workers?: number
  /** A bot that is there already, instead of the scripted one. */
  botUrl?: string
  /** Settings of one role on top. */
  only?: Partial<Record<Role, NodeJS.ProcessEnv>>
  /** A file to load before anything else, for the role's processes. */
  preload?: Partial<Record<Role, string>>
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MAINS: Record<Role, string> = {
  server: 'server/main.ts',
  workers: 'workers/main.ts',
  bots: 'test/faults/fixtures/bots.ts',
}
/** One that cannot start must not take the whole machine by trying. */
const START_AGAIN_AFTER_MS = 200

/** Up once this resolves; gone with the test at the latest. */
export async function startInstallation(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  options: InstallationOptions,
): Promise<Installation> {
  const folder = mkdtempSync(join(tmpdir(), 'halfway-faults-'))
  const journalFile = join(folder, 'journal')
  const logFile = join(folder, 'log')
  const log = openSync(logFile, 'a')
  const botPort = await freePort()
  const shared: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    LOG_LEVEL: 'debug',
    LOCAL_API_PORT: String(botPort),
    LOCAL_API_URL: options.botUrl ?? `http://127.0.0.1:${botPort}`,
    LOCAL_API_TOKEN: 'a-token-of-the-fault-tests',
    LOCAL_API_TIMEOUT: '120',
    WORKER_CONCURRENCY: '50',
    SUBMITS_PER_MINUTE: '1000000',
    MAX_UNFINISHED_PER_SUBMITTER: '1000000',
    MAX_UNFINISHED_PER_QUEUE: '1000000',
    MAX_UNFINISHED: '1000000',
    ACTIONS_PER_MINUTE: '1000000',
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
      child = spawn(
        process.execPath,
        [...(preload ? ['--import', preload] : []), '--import', 'tsx', MAINS[role]],
        {
          cwd: ROOT,
          env: { ...shared, ...options.only?.[role], ...settings },
          stdio: ['ignore', log, log, 'ipc'],
        },
      )
      up = new Promise((resolve) => child.once('message', () => resolve()))
      child.once('exit', (code, signal) => {
        ends.push(code ?? signal ?? -1)
        if (!stopping) setTimeout(() => stopping || start(), START_AGAIN_AFTER_MS)
      })
    }
    start()
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`${role} ended with ${code} at its start:\n${installation.logs().slice(-2000)}`)
    })
    // Later it may end as often as it likes.
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
        // The one that comes after it may be meant: ask again until nothing has changed.
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
  const bots = options.botUrl === undefined ? [startMember('bots')] : []
  const members = [...servers, ...workers, ...bots]

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
    bots,
    journal: () => readJournal(journalFile),
    logs: () => readFileSync(logFile, 'utf8'),
  }
  await Promise.race([Promise.all(members.map((member) => member.up())), ...endedAtStart])
  return installation
}
