/** Composes what browsers need for pushes. */
import type { RedisClient } from '../core/redis/connect.ts'
import type { InstallationSecret } from '../core/redis/installation-secret.ts'
import { createVapidKeys } from '../core/redis/vapid-keys.ts'
import type { Config } from '../core/runtime/config.ts'
import { createPushSubscriptions } from '../core/store/push-subscriptions.ts'

/** What the calls of subscriptions need, and the key that pages offer browsers for them, where pushes are on. */
export function composePush({
  redis,
  secret,
  config,
  now = Date.now,
}: {
  redis: RedisClient
  secret: Pick<InstallationSecret, 'digest'>
  config: Pick<Config, 'push'>
  now?: () => number
}) {
  const keys = createVapidKeys(secret)
  return {
    push: { subscriptions: createPushSubscriptions({ redis }), settings: config.push, now },
    pushKey: config.push.isOn ? () => keys().publicKey : undefined,
  }
}
