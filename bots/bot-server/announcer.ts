/** Announces the services of a bot, again and again, so that servers and workers know them and where to call. */
import { AppError } from '../../core/domain/errors.ts'
import type { Log } from '../../core/runtime/log.ts'
import {
  ANNOUNCE_EVERY_MS,
  type Announcement,
  type ServiceRegistry,
} from '../../core/store/service-registry.ts'
import type { BotService } from './define-service.ts'

export interface Announcer {
  /** Resolves after the first try. */
  readonly announced: Promise<void>
  /** Announces at once what would be announced later: Redis may have come back empty. */
  again(): void
  /** Announces that it accepts nothing new. */
  drain(): Promise<void>
  stop(): void
}

/** After a failed announcement. */
const RETRY_MS = 1_000

export function startAnnouncer({
  registry,
  services,
  bot,
  log,
}: {
  registry: Pick<ServiceRegistry, 'announce'>
  services: readonly BotService[]
  bot: { name: string; address: string; concurrency: number }
  log: Log
}): Announcer {
  const { name: owner, address, concurrency } = bot
  const lastFault = new Map<string, string>()
  let draining = false
  let timer: NodeJS.Timeout | undefined

  async function announce({ definition }: BotService): Promise<boolean> {
    const announcement: Announcement = { definition, owner, bot: { address, concurrency, draining } }
    const fault = await registry.announce(announcement).then(
      (standing) => (standing === 'older' ? 'another bot has announced a newer definition' : null),
      (error: unknown) =>
        error instanceof AppError ? (error.detail ?? error.code) : 'Redis does not answer',
    )
    const { slug } = definition
    if (fault === null) lastFault.delete(slug)
    else if (lastFault.get(slug) !== fault) {
      lastFault.set(slug, fault)
      log.warn({ service: slug, why: fault }, 'the announcement of a service was not accepted')
    }
    return fault === null
  }

  async function announceAll(): Promise<void> {
    const results = await Promise.all(services.map(announce))
    clearTimeout(timer)
    if (!draining)
      timer = setTimeout(announceAll, results.every(Boolean) ? ANNOUNCE_EVERY_MS : RETRY_MS).unref()
  }
  return {
    announced: announceAll(),
    again: () => void announceAll(),
    async drain() {
      draining = true
      clearTimeout(timer)
      await Promise.all(services.map(announce))
    },
    stop: () => clearTimeout(timer),
  }
}
