import type { RedisClient } from '../redis/connect.ts'
import { type ConcurrencyNames, REPLY_TTL_MS, type TaskMessage, type TaskReply } from './protocol.ts'

/** `caller_missing`: the caller's lease has expired. */
export type TaskDemand = 'wanted' | 'aborted' | 'caller_missing'

export interface TaskStorage {
  read(id: string): Promise<TaskMessage | null>
  delete(id: string): Promise<void>
  /** Whether the result is still wanted; that of a detached task always is. */
  demand(id: string, message: TaskMessage): Promise<TaskDemand>
  /** The last reply deletes the task, so that nothing of it is left once its caller has read the reply. */
  reply(caller: string, reply: TaskReply): Promise<void>
}

/** The keys of the redis driver as a processor uses them. */
export function createTaskStorage({
  redis,
  names,
}: {
  redis: RedisClient
  names: ConcurrencyNames
}): TaskStorage {
  return {
    async read(id) {
      const key = names.task(id)
      const stored = await redis.get(key)
      const json = stored === null ? null : redis.box.open(key, stored)
      return json === null ? null : (JSON.parse(json) as TaskMessage)
    },
    async delete(id) {
      await redis.del(names.task(id))
    },
    async demand(id, { caller }) {
      const [aborted, leased] = await Promise.all([
        redis.exists(names.aborted(id)),
        caller === null ? 1 : redis.exists(names.lease(caller)),
      ])
      if (aborted === 1) return 'aborted'
      return leased === 1 ? 'wanted' : 'caller_missing'
    },
    async reply(caller, reply) {
      const key = names.replies(caller)
      const transaction = redis
        .multi()
        .rpush(key, redis.box.seal(key, JSON.stringify(reply)))
        .pexpire(key, REPLY_TTL_MS)
      if ('outcome' in reply) transaction.del(names.task(reply.id))
      await transaction.exec()
    },
  }
}
