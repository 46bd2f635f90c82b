/**
 * Which bots run which requests, over all workers: a lease for each, renewed while the call is open, so that a worker that
 * crashes gives its leases back.
 */
import { shortReference } from '../domain/short-reference.ts'
import type { RedisClient } from '../redis/connect.ts'
import { reserveBot } from '../redis/scripts.ts'
import type { Log } from '../runtime/log.ts'

const LEASE_MS = 60_000
const RENEW_EVERY_MS = 20_000

interface Candidate {
  address: string
  concurrency: number
}

export interface BotLeases {
  /** The least busy bot with room, of equals the longest idle; null when none has room. */
  reserve<Bot extends Candidate>(hash: string, bots: readonly Bot[]): Promise<Bot | null>
  /** Counts the request as running at this bot, whether it has room or not. */
  hold(hash: string, address: string): Promise<void>
  release(hash: string, address: string): Promise<void>
  stop(): void
}

/** How many requests each of these bots runs, in their order. */
export const countLeases = (
  redis: RedisClient,
  addresses: readonly string[],
  now: number,
): Promise<number[]> =>
  Promise.all(addresses.map((address) => redis.zcount(redis.names.services.running(address), now, '+inf')))

export function createBotLeases({
  redis,
  log,
  now,
}: {
  redis: RedisClient
  log: Log
  now: () => number
}): BotLeases {
  const { chosen, running } = redis.names.services
  /** Addresses by hash. */
  const held = new Map<string, string>()

  async function extend(hash: string, address: string): Promise<void> {
    const until = now() + LEASE_MS
    await redis.zadd(running(address), until, hash)
    await redis.pexpireat(running(address), until)
  }

  const timer = setInterval(() => {
    for (const [hash, address] of held)
      extend(hash, address).catch((error: unknown) =>
        log.debug({ err: error, request: shortReference(hash) }, 'a lease was not renewed'),
      )
  }, RENEW_EVERY_MS).unref()

  return {
    async reserve(hash, bots) {
      if (bots.length === 0) return null
      const index = await reserveBot(redis, {
        chosenKey: chosen,
        hash,
        now: now(),
        leaseUntil: now() + LEASE_MS,
        bots: bots.map(({ address, concurrency }) => ({ key: running(address), address, concurrency })),
      })
      const bot = bots[index]
      if (!bot) return null
      held.set(hash, bot.address)
      return bot
    },
    async hold(hash, address) {
      held.set(hash, address)
      await extend(hash, address)
    },
    async release(hash, address) {
      held.delete(hash)
      await redis.zrem(running(address), hash)
    },
    stop: () => clearInterval(timer),
  }
}
