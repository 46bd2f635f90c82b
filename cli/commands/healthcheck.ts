/**
 * `healthcheck`: whether a process of this host is alive. A supervisor restarts a process that is not, so it fails only where a restart
 * helps: an outage of Redis, which `/readyz` reports, would otherwise restart every process at the same time.
 */
import { areWorkersAlive } from '../../core/queue/worker-heartbeat.ts'
import { openRedis } from '../../core/redis/connect.ts'
import { type Config, loadConfig } from '../../core/runtime/config.ts'
import { createLog } from '../../core/runtime/log.ts'
import { type Context, EXIT, type ExitCode, isBug } from '../terminal.ts'

export type CheckedProcess = 'server' | 'workers' | 'bots'

const TIMEOUT_MS = 3_000

interface Health {
  healthy: boolean
  /** A sentence. */
  found: string
}

/** @throws StartupError naming invalid settings */
export async function healthcheck(context: Context, name: CheckedProcess): Promise<ExitCode> {
  const config = loadConfig(context.env)
  const { server, bots } = config
  const health =
    name === 'workers'
      ? await askHeartbeat(config)
      : name === 'server'
        ? await ask(`http://${reachable(server.host)}:${server.port}/livez`, 'The server')
        : await ask(`http://${reachable(bots.host)}:${bots.port}/health`, 'The bot')
  if (context.json) context.printJson(health)
  else if (health.healthy) context.print(health.found)
  else context.printError(`halfway: ${health.found}`)
  return health.healthy ? EXIT.done : EXIT.failed
}

/** Where a process that listens on this address is reached from its own host. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

async function ask(url: string, subject: string): Promise<Health> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    await response.body?.cancel()
    return response.ok
      ? { healthy: true, found: `${subject} is alive.` }
      : { healthy: false, found: `${subject} answers ${response.status} at ${url}.` }
  } catch {
    return { healthy: false, found: `${subject} does not answer at ${url}.` }
  }
}

async function askHeartbeat(config: Config): Promise<Health> {
  const settings = { ...config.connections, commandTimeoutMs: TIMEOUT_MS, joinOnly: true }
  try {
    const connections = await openRedis(config.redis, createLog('cli', 'silent'), settings)
    try {
      return (await areWorkersAlive(await connections.connect('fail-fast')))
        ? { healthy: true, found: 'The workers of this host are alive.' }
        : { healthy: false, found: 'No workers of this host have given a sign of life for 15 s.' }
    } finally {
      await connections.stop()
    }
  } catch (error) {
    if (isBug(error)) throw error
    return { healthy: true, found: 'Redis does not answer, which a restart of the workers would not change.' }
  }
}
