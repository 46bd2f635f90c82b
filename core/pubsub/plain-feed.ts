/** Messages over the plain channels of Redis, which bots of any language publish on: all on one connection. */
import { nanoid } from 'nanoid'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import { startSubscriberCheck } from './subscriber-health.ts'
import { createSubscriptions } from './subscriptions.ts'
import type { UpdateFeed } from './update-feed.ts'

/** @param redis publishes the probes that `subscriber` must receive */
export function openPlainFeed(redis: RedisClient, subscriber: RedisClient, log: Log): UpdateFeed {
  const { names } = redis
  const { deliver, repeat, listen, stop } = createSubscriptions(
    {
      get isReady() {
        return subscriber.status === 'ready'
      },
      subscribe: (wanted) => subscriber.subscribe(...wanted),
      unsubscribe: async (name) => subscriber.status === 'ready' && subscriber.unsubscribe(name),
    },
    redis.box,
    log,
  )
  subscriber.on('message', deliver)
  subscriber.on('ready', repeat)
  const channel = names.subscriberCheck(nanoid())
  const publish = (text: string) => redis.publish(channel, text)
  const check = startSubscriberCheck({ channel, publish, subscriber, listen, log })
  return {
    listen: (hash, listener) => listen(names.channel(hash), listener),
    health: check,
    stop() {
      check.stop()
      subscriber.off('message', deliver)
      subscriber.off('ready', repeat)
      stop()
    },
  }
}
