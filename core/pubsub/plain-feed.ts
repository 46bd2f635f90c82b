/** Messages over the plain channels of Redis, which bots of any language publish on: all on one connection. */
import { nanoid } from 'nanoid'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import { openMessage } from '../store/sealed-fields.ts'
import { startSubscriberCheck } from './subscriber-health.ts'
import { createSubscriptions } from './subscriptions.ts'
import type { UpdateFeed } from './update-feed.ts'

export function openPlainFeed({
  redis,
  subscriber,
  log,
}: {
  /** Publishes the probes that `subscriber` must receive. */
  redis: RedisClient
  subscriber: RedisClient
  log: Log
}): UpdateFeed {
  const { names } = redis
  const { box } = subscriber
  const { deliver, repeat, listen, stop } = createSubscriptions(
    {
      get isReady() {
        return subscriber.status === 'ready'
      },
      subscribe: (wanted) => subscriber.subscribe(...wanted),
      unsubscribe: async (name) => subscriber.status === 'ready' && subscriber.unsubscribe(name),
    },
    log,
  )
  const onMessage = (name: string, message: string): void =>
    deliver(name, box.opens ? openMessage(box, message) : message)
  subscriber.on('message', onMessage)
  subscriber.on('ready', repeat)
  const channel = names.subscriberCheck(nanoid())
  const publish = (text: string) => redis.publish(channel, text)
  const check = startSubscriberCheck({ channel, publish, subscriber, listen, log })
  return {
    listen: (hash, listener) => listen(names.channel(hash), listener),
    health: check,
    stop() {
      check.stop()
      subscriber.off('message', onMessage)
      subscriber.off('ready', repeat)
      stop()
    },
  }
}
