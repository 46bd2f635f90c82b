/**
 * `npm start`: everything in one go, on a machine with nothing but Node. Starts a private Redis when none is set, then
 * the demo portal, the bots, the workers and the server as processes of their own, and stops them in reverse.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import pretty from 'pino-pretty'
import { openRedis } from './core/redis/connect.ts'
import { startOrJoinEmbedded } from './core/redis/embedded.ts'
import type { Log } from './core/runtime/log.ts'
import { runProcess, type Stoppable } from './core/runtime/process.ts'
import { StartupError } from './core/runtime/startup-error.ts'
import { visible, visibleLog } from './core/runtime/visible-text.ts'

const PROCESSES = [
  { name: 'portal', main: 'bots/demo-portal/main.ts' },
  { name: 'bots', main: 'bots/inquiry-provider/main.ts' },
  // After the bots, so that it stops before them: calls that are open may still be answered.
  { name: 'workers', main: 'workers/main.ts' },
  { name: 'server', main: 'server/main.ts' },
] as const

/** Ctrl-C must not feel stuck: less than where other processes are there to go on. */
const DRAIN_SECONDS = '3'

const prettyOutput = pretty({
  ignore: 'pid',
  translateTime: 'SYS:HH:MM:ss',
  singleLine: true,
  colorize: process.stdout.isTTY,
})
/** Lines of logs, as people read them. */
const output = { write: (line: string) => void prettyOutput.write(visibleLog(line)) }

await runProcess({ name: 'halfway', env: process.env, logTo: output }, async ({ config, log, register }) => {
  const env: NodeJS.ProcessEnv = { ...process.env }
  if (config.redis.kind === 'embedded') {
    const redis = await register('private redis', startOrJoinEmbedded(log))
    env.REDIS_URL = redis.target.url
  } else {
    // Said once, here, rather than by each of the processes.
    const connections = await openRedis(config.redis, log, config.connections)
    await connections.connect('fail-fast')
    await connections.stop()
  }
  env.DRAIN_SECONDS ||= DRAIN_SECONDS
  env.LOCAL_API_TOKEN ??= randomBytes(24).toString('base64url')

  const giveUp = (name: string): void => {
    log.error({ process: name }, 'a process ends as soon as it is started, stopping all')
    process.kill(process.pid, 'SIGTERM')
  }
  // All at once, since each takes its time to load; taken into care in order, so that they stop in reverse.
  const starting = PROCESSES.map(({ name, main }) => keepRunning(name, main, env, log, () => giveUp(name)))
  for (const part of starting) part.catch(() => {})
  for (const [i, { name }] of PROCESSES.entries()) await register(name, starting[i] as Promise<Stoppable>)

  const lines = [
    `Halfway is ready:  http://localhost:${config.server.port}`,
    `SMS inbox (demo):  http://127.0.0.1:${config.demoPortal.port}`,
    'Stop with Ctrl-C.',
  ]
  process.stdout.write(`\n${lines.map((line) => `  ${line}\n`).join('')}\n`)
})

/**
 * Starts a process, and again whenever it ends by itself: requests go on, whatever is killed. One that cannot even start
 * any more is given up.
 *
 * @throws StartupError when it does not start the first time
 */
async function keepRunning(
  name: string,
  main: string,
  env: NodeJS.ProcessEnv,
  log: Log,
  giveUp: () => void,
): Promise<Stoppable> {
  let stopping = false
  let child = await startChild(name, main, env)
  const watch = (): void => {
    child.once('exit', async (code, signal) => {
      if (stopping) return
      log.error({ process: name, code, signal }, 'a process ended by itself, starting it again')
      try {
        child = await startChild(name, main, env)
        if (stopping) await stopChild(child)
        else watch()
      } catch {
        if (!stopping) giveUp()
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

/** Resolves once the process says that it has started. @throws StartupError with what it said instead */
async function startChild(name: string, main: string, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  // In a group of its own: Ctrl-C reaches only this process, which then stops the others in order.
  const child = spawn(process.execPath, [...process.execArgv, main], {
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let complaint = ''
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', output.write)
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => {
    complaint += `${line}\n`
    process.stderr.write(`${visible(line)}\n`)
  })
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve())
    child.once('error', reject)
    child.once('exit', () =>
      reject(new StartupError(`The ${name} did not start. ${complaint ? 'See above.' : ''}`)),
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
