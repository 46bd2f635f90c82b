/** Subscribes to the channels of requests, in the way that the settings name: one subscription per request, however many listen. */
import { Cluster } from 'ioredis'
import type { RedisClient, SubscriberClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import { publishHint } from '../store/publish-hint.ts'
import type { ChannelListener } from './channel-listener.ts'
import { openNatsFeed } from './nats-feed.ts'
import type { NatsLink } from './nats-link.ts'
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
  /** Whether messages may be missing for seconds before that is noticed: over NATS, whose bridge may be dead. */
  readonly mayLag: boolean
  stop(): void
}

interface Deps {
  redis: RedisClient
  /** Of Redis; or NATS, where the messages come from it. */
  subscriber: SubscriberClient | NatsLink
  log: Log
}

export function createChannelSubscriber(deps: Deps): ChannelSubscriber {
  const { listen, health, stop } = openFeed(deps)
  const mayLag = 'kind' in deps.subscriber
  return { subscribe: listen, publishHint: (hash) => publishHint(deps.redis, hash), health, mayLag, stop }
}

function openFeed({ redis, subscriber, log }: Deps): UpdateFeed {
  if ('kind' in subscriber) return openNatsFeed(redis, subscriber, log)
  const { plain, sharded } = redis.names.channelsOf('')
  const feeds = [
    ...(plain ? [openPlainFeed(redis, subscriber, log)] : []),
    ...(sharded ? [openShardedFeed(redis, subscriber, log)] : []),
  ]
  return feeds.length === 1 ? (feeds[0] as UpdateFeed) : joinFeeds(feeds)
}

function openShardedFeed(redis: RedisClient, { openShard }: SubscriberClient, log: Log): UpdateFeed {
  if (!(redis instanceof Cluster) || !openShard) throw new Error('only a Cluster has sharded channels')
  const { listen, ...feed } = createShardedSubscriptions({ cluster: redis, openShard, log })
  return { ...feed, listen: (hash, listener) => listen(redis.names.channelsOf(hash).sharded, listener) }
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
