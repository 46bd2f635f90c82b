/** Subscribes to the channels of requests, in the way that the settings name: one subscription per request, however many listen. */
import { Cluster } from 'ioredis'
import type { RedisClient, SubscriberClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import { publishHint } from '../store/publish-hint.ts'
import type { ChannelListener } from './channel-listener.ts'
import { openPlainFeed } from './plain-feed.ts'
import { createShardedSubscriptions } from './sharded-subscriptions.ts'
import { createHealth, endListening, type Health } from './subscriber-health.ts'
import type { UpdateFeed } from './update-feed.ts'

export interface ChannelSubscriber {
  /** As `listen` of `UpdateFeed`, which says what is guaranteed. */
  subscribe(hash: string, listener: ChannelListener): Promise<() => void>
  /** Publishes that the record may have changed; subscribers read it. */
  publishHint(hash: string): Promise<void>
  readonly health: Health
  stop(): void
}

interface Deps {
  redis: RedisClient
  subscriber: SubscriberClient
  log: Log
}

export function createChannelSubscriber(deps: Deps): ChannelSubscriber {
  const { listen, health, stop } = openFeed(deps)
  return { subscribe: listen, publishHint: (hash) => publishHint(deps.redis, hash), health, stop }
}

function openFeed(deps: Deps): UpdateFeed {
  const { plain, sharded } = deps.redis.names.channelsOf('')
  if (!sharded) return openPlainFeed(deps)
  return plain ? joinFeeds([openPlainFeed(deps), openShardedFeed(deps)]) : openShardedFeed(deps)
}

function openShardedFeed({ redis, subscriber, log }: Deps): UpdateFeed {
  const { openShard } = subscriber
  if (!(redis instanceof Cluster) || !openShard) throw new Error('only a Cluster has sharded channels')
  const { listen, health, stop } = createShardedSubscriptions({ cluster: redis, openShard, log })
  return {
    listen: (hash, listener) => listen(redis.names.channelsOf(hash).sharded, listener),
    health,
    stop,
  }
}

/** For the change from plain to sharded channels: each message arrives on all of them. */
function joinFeeds(feeds: readonly UpdateFeed[]): UpdateFeed {
  const health = createHealth()
  const update = (): void => health.set(feeds.every((feed) => feed.health.isUp))
  for (const feed of feeds) feed.health.onChange(update)
  return {
    async listen(hash, listener) {
      const starting = feeds.map((feed) => feed.listen(hash, listener))
      try {
        const stops = await Promise.all(starting)
        return () => {
          for (const stop of stops) stop()
        }
      } catch (error) {
        for (const one of starting) void endListening(one)
        throw error
      }
    },
    health,
    stop() {
      for (const feed of feeds) feed.stop()
    },
  }
}
