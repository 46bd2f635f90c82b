/** Starts Halfway as `npm start` does, with the bot of the tests: real processes on free ports, with a private Redis. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'
import { freePort } from '../../core/redis/local-server.ts'
import { cleanUp } from './clean-up.ts'
import { newestCode } from './test-bot/codes.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const READY_TIMEOUT_MS = 60_000
export const TEST_BOT = 'test/helpers/test-bot/main.ts'

export interface Halfway {
  /** Address of the server, without a slash at the end. */
  url: string
  botUrl: string
  /** The private Redis that it started, or that of REDIS_URL. */
  redis: { url: string; pid: number }
  /** The newest code that was sent to this number, once there is one. */
  codeSentTo(mobile: string): Promise<string>
  /** The output of all processes so far. */
  output(): string
  process: ChildProcess
  stop(): Promise<number | null>
}

export interface HalfwayOptions {
  /** Node options to run TypeScript; `['--import', 'tsx']` is that of `npm start`. */
  preload?: string[]
  /** The arguments of `npm start`. */
  args?: string[]
}

/** @param settings environment on top of free ports and a private Redis */
export async function startHalfway(
  settings: NodeJS.ProcessEnv = {},
  { preload = ['--require', inject('runBundled')], args = ['--bots', TEST_BOT] }: HalfwayOptions = {},
): Promise<Halfway> {
  const [port, botPort] = await Promise.all([freePort(), freePort()])
  // Its own TMPDIR, so that no other process joins its private Redis.
  const tmp = mkdtempSync(join(tmpdir(), 'hw-'))
  const codes = join(tmp, 'codes')
  const child = spawn(process.execPath, [...preload, 'start.ts', ...args], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TMPDIR: tmp,
      PORT: String(port),
      LOCAL_API_PORT: String(botPort),
      TEST_BOT_CODES: codes,
      SOCKETS_PER_ADDRESS: '0',
      STREAMS_PER_ADDRESS: '0',
      STATUS_READS_PER_MINUTE: '0',
      SUBJECT_CODES_PER_HOUR: '100000',
      LOG_LEVEL: 'debug',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // A failed test does not reach its stop().
  cleanUp(() => void child.kill('SIGTERM'))
  let output = ''
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  await new Promise<void>((resolve, reject) => {
    const timeout = setTimeout(() => reject(new Error(`not ready in time:\n${output}`)), READY_TIMEOUT_MS)
    const append = (data: Buffer): void => {
      output += data.toString()
      if (!output.includes('Halfway is ready')) return
      clearTimeout(timeout)
      resolve()
    }
    child.stdout.on('data', append)
    child.stderr.on('data', append)
    exited.then((code) => reject(new Error(`ended with ${code}:\n${output}`)))
  })
  return {
    url: `http://127.0.0.1:${port}`,
    botUrl: `http://127.0.0.1:${botPort}`,
    redis: settings.REDIS_URL ? { url: settings.REDIS_URL, pid: 0 } : privateRedis(tmp),
    codeSentTo: (mobile) => newestCode(codes, mobile),
    output: () => output,
    process: child,
    async stop() {
      child.kill('SIGTERM')
      const code = await exited
      rmSync(tmp, { recursive: true, force: true })
      return code
    },
  }
}

function privateRedis(tmp: string): Halfway['redis'] {
  const folder = readdirSync(tmp).find((name) => name.startsWith('halfway-')) ?? ''
  const owner = JSON.parse(readFileSync(join(tmp, folder, 'owner.json'), 'utf8'))
  return { url: owner.url, pid: owner.serverPid }
}
