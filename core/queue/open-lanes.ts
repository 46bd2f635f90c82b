/** The BullMQ queues of all lanes, each opened at its first use. */
import type { Queue, Telemetry } from 'bullmq'
import type { ServiceQueue } from '../catalog/queue-definition.ts'
import type { RedisClient } from '../redis/connect.ts'
import type { Log } from '../runtime/log.ts'
import { type JobData, openQueue } from './bullmq.ts'
import { laneNames, laneOf } from './lanes.ts'

/** Callers may know no more of a queue than its name, which may be that of a lane. */
type QueueName = Pick<ServiceQueue, 'name'>

export interface OpenLanes {
  /** The queue as it is defined at present. */
  define(queue: QueueName): QueueName & Pick<ServiceQueue, 'lanes'>
  open(lane: string): Queue<JobData>
  /** The lane of a request. */
  find(queue: QueueName, hash: string): Queue<JobData>
  of(queue: QueueName): Queue<JobData>[]
  all(): Queue<JobData>[]
  stop(): Promise<void>
}

export function createLanes({
  redis,
  log,
  queueList,
  telemetry,
}: {
  redis: RedisClient
  log: Log
  /** The queues that exist at present. */
  queueList: () => readonly ServiceQueue[]
  telemetry?: Telemetry
}): OpenLanes {
  const opened = new Map<string, Queue<JobData>>()
  function open(lane: string): Queue<JobData> {
    const present = opened.get(lane)
    if (present) return present
    const queue = openQueue(lane, redis, log, telemetry)
    opened.set(lane, queue)
    // BullMQ asks Redis for its version first, and a queue for which that failed stays useless.
    queue.waitUntilReady().catch(() => {
      opened.delete(lane)
      return queue.close().catch(() => {})
    })
    return queue
  }
  const define: OpenLanes['define'] = ({ name }) =>
    queueList().find((queue) => queue.name === name) ?? { name }
  const of = (queue: QueueName): Queue<JobData>[] => laneNames(define(queue)).map(open)
  return {
    define,
    open,
    find: (queue, hash) => open(laneOf(define(queue), hash)),
    of,
    all: () => queueList().flatMap(of),
    async stop() {
      await Promise.all([...opened.values()].map((queue) => queue.close()))
    },
  }
}
