/** Chooses the bot for an attempt: one that announced the service and has room, or LOCAL_API_URL where none did. */

import { LRUCache } from 'lru-cache'
import type { RequestRecord } from '../core/domain/record.ts'
import { shortReference } from '../core/domain/short-reference.ts'
import { createOnce } from '../core/redis/once.ts'
import { isAllowedAddress } from '../core/runtime/bot-addresses.ts'
import type { Config } from '../core/runtime/config.ts'
import type { Log } from '../core/runtime/log.ts'
import type { BotLeases } from '../core/store/bot-leases.ts'
import type { LiveCatalog } from '../core/store/live-catalog.ts'
import type { AnnouncedBot } from '../core/store/service-registry.ts'

export interface ChosenBot {
  /** `http://host:port`. */
  url: string
  /** The newest first: while one is being replaced, a bot may still have the other. */
  tokens: readonly string[]
  /** As announced; undefined for LOCAL_API_URL. */
  address?: string
  /** To be called once the attempt has ended. */
  release(): Promise<void>
}

export interface BotRouter {
  /**
   * A request that waits for an answer, or whose attempt was interrupted, stays with its bot.
   *
   * @returns null when no bot has room
   */
  choose(record: RequestRecord): Promise<ChosenBot | null>
  /**
   * Gives the bot of this request, which could not be reached, no new ones for a while, unless there is no other.
   *
   * @param silentMs how long it was called without an answer: it gets one request in that time until it answers
   * @returns whether the service has another bot
   */
  avoid(record: RequestRecord, silentMs?: number): boolean
  /** The bot of this request has answered. */
  trust(record: RequestRecord): void
}

/** Longer than a restart usually takes; a bot that is gone is silent after a minute. */
const AVOID_MS = 15_000
const MAX_KNOWN_ADDRESSES = 2_000

export function createBotRouter({
  catalog,
  leases,
  settings,
  log,
}: {
  catalog: Pick<LiveCatalog, 'botsOf' | 'findBot' | 'hasBots'>
  leases: Pick<BotLeases, 'reserve' | 'hold' | 'release'>
  settings: Pick<Config['bots'], 'url' | 'token' | 'tokens' | 'addresses'>
  log: Log
}): BotRouter {
  const isFirst = createOnce()
  /** By address; `until` is by the monotonic clock. */
  const avoided = new Map<string, { until: number; silentMs: number }>()
  const isAvoided = ({ address }: AnnouncedBot): boolean =>
    (avoided.get(address)?.until ?? 0) > performance.now()
  const avoidAddress = (address: string, silentMs: number): unknown =>
    avoided.set(address, { until: performance.now() + Math.max(AVOID_MS, silentMs), silentMs })
  /** Parsing an address and the networks costs more than the rest of a choice. */
  const allowed = new LRUCache<string, boolean>({ max: MAX_KNOWN_ADDRESSES })
  function isAllowed(address: string): boolean {
    const known = allowed.get(address) ?? isAllowedAddress(address, settings.addresses)
    allowed.set(address, known)
    return known
  }
  const local: ChosenBot = { url: settings.url, tokens: [settings.token], release: async () => {} }

  function isUsable({ address, name, slug }: AnnouncedBot): boolean {
    const fault = !isAllowed(address)
      ? 'its address is not within BOT_ADDRESSES'
      : settings.tokens.has(name) ? null : 'its token was withdrawn' // biome-ignore format: a table
    if (fault !== null && isFirst(`${address} ${fault}`))
      log.warn({ address, bot: name, service: slug, why: fault }, 'a bot is not called')
    return fault === null
  }

  const toChosen = ({ address, name }: AnnouncedBot, hash: string): ChosenBot => ({
    url: address,
    address,
    tokens: settings.tokens.get(name) ?? [],
    release: () =>
      leases
        .release(hash, address)
        .catch((error: unknown) =>
          log.debug({ err: error, request: shortReference(hash) }, 'a lease was not given back'),
        ),
  })

  return {
    async choose(record) {
      const { hash, service_slug: slug, bot: last } = record
      const present = last === undefined ? undefined : catalog.findBot(slug, last)
      const isStarted = record.status !== 'pending' && record.next_retry_at === null
      if (isStarted && present && isUsable(present) && (record.otp_data || !present.draining)) {
        await leases.hold(hash, present.address)
        return toChosen(present, hash)
      }
      if (!catalog.hasBots(slug)) return local
      const usable = catalog.botsOf(slug).filter(isUsable)
      const reachable = usable.filter((bot) => !isAvoided(bot))
      const bot = await leases.reserve(hash, reachable.length > 0 ? reachable : usable)
      if (bot === null) return null
      const { silentMs = 0 } = avoided.get(bot.address) ?? {}
      if (silentMs > 0) avoidAddress(bot.address, silentMs)
      return toChosen(bot, hash)
    },
    avoid({ service_slug: slug, bot: address }, silentMs = 0) {
      if (address === undefined) return false
      avoidAddress(address, silentMs)
      return catalog.botsOf(slug).some((bot) => !isAvoided(bot) && isUsable(bot))
    },
    trust({ bot: address }) {
      if (address !== undefined) avoided.delete(address)
    },
  }
}
