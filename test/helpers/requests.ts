/** Requests in a test's Redis, and the parts that handle them, composed as in the processes. */

import { createOtpMailbox, type OtpMailbox } from '../../core/actions/otp-mailbox.ts'
import type { Command } from '../../core/domain/command.ts'
import { type ChannelSubscriber, createChannelSubscriber } from '../../core/pubsub/channel-subscriber.ts'
import { createRequestWatcher, type WriterWatcher } from '../../core/pubsub/request-watcher.ts'
import type { RedisClient } from '../../core/redis/connect.ts'
import { createRequestStore, type RequestStore, type StoredRecord } from '../../core/store/request-store.ts'
import { keys } from './keys.ts'
import { aRecord, TTL_SECONDS } from './record.ts'
import { quiet, type TestRedis } from './redis.ts'

export interface Requests {
  client: RedisClient
  subscriber: RedisClient
  store: RequestStore
  channels: ChannelSubscriber
  watcher: WriterWatcher
  otpMailbox: OtpMailbox
  /** Creates a request and applies the commands. */
  given(...commands: Command[]): Promise<StoredRecord>
  /** Throws with the reason when the command is rejected. */
  applyCommand(hash: string, command: Command): Promise<StoredRecord>
  /** Writes as foreign programs do: reads, changes and sets the record with another TTL, and publishes it. */
  foreignWrite(hash: string, change: Record<string, unknown>): Promise<void>
  /** How many connections are subscribed to the request's channel. */
  subscriptions(hash: string): Promise<number>
}

export async function useRequests(redis: TestRedis): Promise<Requests> {
  const client = await redis.connections.connect('patient')
  const subscriber = await redis.connections.connect('subscriber')
  const store = createRequestStore({ redis: client, ttlSeconds: TTL_SECONDS })
  const channels = createChannelSubscriber({ redis: client, subscriber, log: quiet })
  const watcher = createRequestWatcher({ store, channels, log: quiet })

  const applyCommand: Requests['applyCommand'] = async (hash, command) => {
    const result = await store.apply(hash, command)
    if (!result.ok) throw new Error(`${command.type} was refused: ${result.rejection}`)
    return result.stored
  }
  return {
    client,
    subscriber,
    store,
    channels,
    watcher,
    otpMailbox: createOtpMailbox({ redis: client, channels, store }),
    applyCommand,
    async given(...commands) {
      const record = aRecord()
      if (!(await store.create(record))) throw new Error('this hash is taken')
      for (const command of commands) await applyCommand(record.hash, command)
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
