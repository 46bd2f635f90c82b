/** A bot as a part of another program, with a handle to stop it. */
import { loadConfig } from '../../core/runtime/config.ts'
import { createLog, type Log } from '../../core/runtime/log.ts'
import { onStopSignal, type Stoppable } from '../../core/runtime/process.ts'
import { loadSettingsFile } from '../../core/runtime/settings-file.ts'
import { openConcurrency } from '../../core/tasks/compose.ts'
import { startBot } from './create-bot.ts'
import type { BotService } from './define-service.ts'

export interface BotOptions {
  services: readonly BotService[]
  /** The address of the server: the bot reports over HTTP and needs no Redis (HALFWAY_URL). */
  url?: string
  /** The token that the bot announces with and is called with (BOT_TOKEN; without `url` LOCAL_API_TOKEN). */
  token?: string
  /** The address of the Redis of the installation (REDIS_URL). Not needed with `url`. */
  redis?: string
  /** Where the bot listens (LOCAL_API_PORT, BOT_HOST). */
  port?: number
  host?: string
  /** Where workers reach it (BOT_ADDRESS). */
  address?: string
  /** How many requests it runs at a time (BOT_CONCURRENCY). */
  concurrency?: number
  /** URL of the module that exports the tasks of `request.parallel`. */
  tasks?: string
  log?: Log
  /** Whether SIGINT and SIGTERM stop the bot and then end the process. Default: true. */
  stopOnSignals?: boolean
}

export interface Bot {
  /** Where workers reach it. */
  readonly address: string
  /** Accepts nothing new, lets what runs end within DRAIN_SECONDS, then closes its connections. */
  stop(): Promise<void>
}

export async function openBot(options: BotOptions, env: NodeJS.ProcessEnv): Promise<Bot> {
  loadSettingsFile()
  const config = loadConfig({ ...env, ...settingsOf(options) })
  const { services, tasks, stopOnSignals = true } = options
  const log = options.log ?? createLog('bot', config.logLevel, { wholeErrors: !config.production })
  const parts: { name: string; part: Promise<Stoppable> }[] = []
  async function register<T extends Stoppable>(name: string, part: T | Promise<T>): Promise<T> {
    parts.push({ name, part: Promise.resolve(part) })
    return part
  }
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= stopParts()
    return stopped
  }
  async function stopParts(): Promise<void> {
    for (let last = parts.pop(); last; last = parts.pop()) {
      const { name, part } = last
      await part
        .then((started) => started.stop())
        .catch((error: unknown) => log.warn({ err: error, part: name }, 'a part did not stop cleanly'))
    }
  }
  try {
    const concurrency =
      tasks === undefined ? undefined : await register('tasks', openConcurrency({ config, tasks, log }))
    await startBot({ config, log, register }, services, concurrency)
  } catch (error) {
    await stop()
    throw error
  }
  if (stopOnSignals) onStopSignal(stop)
  return { address: config.bots.address, stop }
}

/** Options as the settings that they replace. */
function settingsOf({ url, token, redis, port, host, address, concurrency }: BotOptions): NodeJS.ProcessEnv {
  const settings = {
    HALFWAY_URL: url,
    [url === undefined ? 'LOCAL_API_TOKEN' : 'BOT_TOKEN']: token,
    REDIS_URL: redis,
    LOCAL_API_PORT: port,
    BOT_HOST: host,
    BOT_ADDRESS: address,
    BOT_CONCURRENCY: concurrency,
  }
  const given = Object.entries(settings).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]))
}
