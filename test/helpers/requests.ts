/** Requests in a test's Redis, and the parts that handle them, wired as the processes wire them. */

import { createOtpMailbox, type OtpMailbox } from '../../core/actions/otp-mailbox.ts'
import type { Command } from '../../core/domain/command.ts'
import { type ChannelSubscriber, createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher, type RequestWatcher } from '../../core/pubsub/request-watcher.ts'
import type { RedisClient } from '../../core/redis/connect.ts'
import { createRequestStore, type RequestStore, type StoredRecord } from '../../core/store/request-store.ts'
import { keys } from './keys.ts'
import { aRecord, TTL_SECONDS } from './record.ts'
import { quiet, type TestRedis } from './redis.ts'

export interface Requests {
  client: RedisClient
  subscriber: RedisClient
  store: RequestStore
  bus: ChannelSubscriber
  live: RequestWatcher
  otpBox: OtpMailbox
  /** A new request after these changes. */
  given(...changes: Command[]): Promise<StoredRecord>
  /** Makes the change, or throws with the reason why it was refused. */
  applyCommand(hash: string, change: Command): Promise<StoredRecord>
  /** Writes as other programs do: reads, changes, sets with a life of its own, and publishes the whole record. */
  foreignWrite(hash: string, change: Record<string, unknown>): Promise<void>
  /** How many connections hear a request's channel. */
  subscriptions(hash: string): Promise<number>
}

export async function useRequests(redis: TestRedis): Promise<Requests> {
  const client = await redis.connections.connect('patient')
  const subscriber = await redis.connections.connect('subscriber')
  const store = createRequestStore({ redis: client, ttlSeconds: TTL_SECONDS })
  const bus = createChannelSubscriber({ redis: client, subscriber, log: quiet })
  const live = createRequestWatcher({ store, bus, log: quiet, ttlSeconds: TTL_SECONDS })

  const applyCommand: Requests['applyCommand'] = async (hash, change) => {
    const outcome = await store.apply(hash, change)
    if (!outcome.ok) throw new Error(`${change.type} was refused: ${outcome.refusal}`)
    return outcome.stored
  }
  return {
    client,
    subscriber,
    store,
    bus,
    live,
    otpBox: createOtpMailbox({ redis: client, bus, store }),
    applyCommand,
    async given(...changes) {
      const record = aRecord()
      if (!(await store.create(record))) throw new Error('this hash is taken')
      for (const change of changes) await applyCommand(record.hash, change)
      return (await store.read(record.hash)) as StoredRecord
    },
    async foreignWrite(hash, change) {
      const raw = await client.get(keys.record(hash))
      const json = JSON.stringify({ ...JSON.parse(raw ?? '{}'), ...change })
      await client.setex(keys.record(hash), 9999, json)
      await client.publish(keys.channel(hash), json)
    },
    async subscriptions(hash) {
      const [, count] = (await client.pubsub('NUMSUB', keys.channel(hash))) as [string, number]
      return Number(count)
    },
  }
}
