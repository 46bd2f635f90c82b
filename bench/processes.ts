/** The measured processes. */
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../core/redis/local-server.ts'
import { StartupError } from '../core/runtime/startup-error.ts'
import type { Call, Reply } from './agent.ts'
import { announceService } from './requests.ts'

export interface MeasuredProcess {
  /** Calls a handler of the process (agent.ts). */
  call<T>(name: string, ...args: unknown[]): Promise<T>
  /** Microseconds of CPU that it has used so far. */
  cpu(): Promise<number>
  stop(): Promise<void>
}
export type MeasuredServer = MeasuredProcess & { url: string }

export const ROOT = fileURLToPath(new URL('..', import.meta.url))
const AGENT = new URL('./agent.ts', import.meta.url).href
const MAX_OUTPUT = 5000

/** Redis gets a core that the measured processes do not use, as in production. No effect without `taskset` or with one core. */
export const pin = (pid: number, cores: string): unknown => spawnSync('taskset', ['-cp', cores, `${pid}`])

/**
 * @param file relative to the project's root
 * @param readyLine part of what it logs once it is ready; a contender calls `ready` instead
 */
export async function startProcess(
  file: string,
  env: NodeJS.ProcessEnv,
  readyLine?: string,
): Promise<MeasuredProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', '--import', AGENT, file], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const pending = new Map<number, (reply: Reply) => void>()
  let output = ''
  const exited = once(child, 'exit').then(([code, signal]): never => {
    throw new Error(`${file} exited (${code ?? signal}): ${output}`)
  })
  const isReady = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data) => {
        output = (output + data).slice(-MAX_OUTPUT)
        if (readyLine !== undefined && output.includes(readyLine)) resolve()
      })
    child.on('message', (message: Reply | 'ready') => {
      if (message === 'ready') return resolve()
      pending.get(message.id)?.(message)
      pending.delete(message.id)
    })
  })
  await Promise.race([isReady, exited])
  pin(child.pid as number, '0')

  let calls = 0
  const call = async <T>(name: string, ...args: unknown[]): Promise<T> => {
    const id = ++calls
    const reply = new Promise<Reply>((resolve) => pending.set(id, resolve))
    child.send({ id, name, args } satisfies Call)
    const { value, error } = await Promise.race([reply, exited])
    if (error !== undefined) throw new Error(`${file}: ${error}`)
    return value as T
  }
  return {
    call,
    cpu: () => call('cpu'),
    async stop() {
      child.kill('SIGKILL')
      await exited.catch(() => {})
    },
  }
}

export const startContender = (name: string, env: NodeJS.ProcessEnv): Promise<MeasuredProcess> =>
  startProcess(`bench/contenders/${name}.ts`, env)

export async function startContenderServer(name: string, env: NodeJS.ProcessEnv): Promise<MeasuredServer> {
  const contender = await startContender(name, env)
  return { ...contender, url: await contender.call('url') }
}

export const SETTINGS = {
  NODE_ENV: 'production',
  LOCAL_API_TOKEN: randomBytes(24).toString('base64url'),
  HOST: '127.0.0.1',
  // Counted as usual, and never reached.
  SOCKETS_PER_ADDRESS: '1000000',
  STREAMS_PER_ADDRESS: '1000000',
  STATUS_READS_PER_MINUTE: '1000000000',
}

/** The file that a deployed process runs. tsx, for development, adds a call to each function that is created. */
export function compiled(process: 'server' | 'workers'): string {
  const file = `dist/${process}/main.js`
  if (!existsSync(join(ROOT, file))) throw new StartupError(`${file} is missing; run: npm run build`)
  return file
}

/**
 * Halfway's server as `halfway server` of the package starts it.
 *
 * @param bot the address of the bot that announces the service
 */
export async function startHalfway(env: NodeJS.ProcessEnv, bot?: string): Promise<MeasuredServer> {
  const port = await freePort()
  await announceService(env.REDIS_URL as string, bot)
  const server = await startProcess(
    compiled('server'),
    { ...SETTINGS, ...env, PORT: String(port) },
    'server is ready',
  )
  return { ...server, url: `http://127.0.0.1:${port}` }
}

export const startWorkers = (env: NodeJS.ProcessEnv): Promise<MeasuredProcess> =>
  startProcess(compiled('workers'), { ...SETTINGS, ...env }, 'workers are ready')
