/** Starts Halfway as `npm start` does: real processes on free ports, with a private Redis. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'
import { freePort } from '../../core/redis/local-server.ts'
import { cleanUp } from './clean-up.ts'
import { eventually } from './eventually.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const READY_TIMEOUT_MS = 60_000

export interface Halfway {
  /** Address of the server, without a slash at the end. */
  url: string
  portalUrl: string
  botUrl: string
  /** The private Redis that it started. */
  redis: { url: string; pid: number }
  /** The newest code in the SMS inbox of this number, once there is one. */
  codeSentTo(mobile: string): Promise<string>
  /** The output of all processes so far. */
  output(): string
  process: ChildProcess
  stop(): Promise<number | null>
}

/**
 * @param settings environment on top of free ports, a fast demo portal and a private Redis
 * @param preload Node options to run TypeScript; `['--import', 'tsx']` is that of `npm start`
 */
export async function startHalfway(
  settings: NodeJS.ProcessEnv = {},
  preload = ['--require', inject('runBundled')],
): Promise<Halfway> {
  const [port, botPort, portalPort] = await Promise.all([freePort(), freePort(), freePort()])
  // Its own TMPDIR, so that no other process joins its private Redis.
  const tmp = mkdtempSync(join(tmpdir(), 'hw-'))
  const child = spawn(process.execPath, [...preload, 'start.ts'], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TMPDIR: tmp,
      PORT: String(port),
      LOCAL_API_PORT: String(botPort),
      LOCAL_API_URL: `http://127.0.0.1:${botPort}`,
      DEMO_PORTAL_PORT: String(portalPort),
      DEMO_PORTAL_SPEED: '40',
      LINK_CHECK_ALLOW_PRIVATE: 'true',
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
    portalUrl: `http://127.0.0.1:${portalPort}`,
    botUrl: `http://127.0.0.1:${botPort}`,
    redis: privateRedis(tmp),
    codeSentTo: (mobile) => codeFromInbox(`http://127.0.0.1:${portalPort}/inbox/${mobile}`),
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

const codeFromInbox = (inbox: string): Promise<string> =>
  eventually(
    async () => {
      const response = await fetch(inbox, { headers: { accept: 'application/json' } })
      const [newest] = (await response.json()) as { code: string }[]
      if (!newest) throw new Error('no code yet')
      return newest.code
    },
    { withinMs: 30_000, everyMs: 50 },
  )

function privateRedis(tmp: string): Halfway['redis'] {
  const folder = readdirSync(tmp).find((name) => name.startsWith('halfway-')) ?? ''
  const owner = JSON.parse(readFileSync(join(tmp, folder, 'owner.json'), 'utf8'))
  return { url: owner.url, pid: owner.serverPid }
}
