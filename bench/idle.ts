/** What a server costs in which nothing happens but that 1,000 people watch requests that wait. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createQueues } from '../core/queue/queues.ts'
import { createLog } from '../core/runtime/log.ts'
import { type MeasuredServer, startContenderServer, startHalfway, startWorkers } from './processes.ts'
import type { BenchRedis } from './redis.ts'
import { connect } from './relay.ts'
import type { Row } from './report.ts'
import { SERVICE } from './requests.ts'
import { submitBatches, UNLIMITED } from './submit.ts'

const PEOPLE = 1_000
/** Until what the connections left behind is done. */
const SETTLED_AFTER_MS = 3_000
const SECONDS = 8

export async function idle({ url, client }: BenchRedis): Promise<Row[]> {
  const env = { REDIS_URL: url, ...UNLIMITED }
  const [halfway, socketIo] = [await startHalfway(env), await startContenderServer('relay-socketio', env)]
  const queues = createQueues({
    redis: client,
    log: createLog('bench', 'warn'),
    queueList: () => [SERVICE.queue],
  })
  await queues.pause(SERVICE.queue.name)
  const workers = await startWorkers(env)
  await submitBatches(halfway.url, PEOPLE)
  const hashes = await client.lrange(client.names.list, 0, PEOPLE - 1)
  for (const { url } of [halfway, socketIo]) await connect(url, 'socket.io', hashes)
  await sleep(SETTLED_AFTER_MS)
  const percentOfCore = async (server: MeasuredServer): Promise<number[]> => {
    const before = await server.cpu()
    await sleep(SECONDS * 1000)
    return [((await server.cpu()) - before) / SECONDS / 10_000]
  }
  const [own, other] = await Promise.all([percentOfCore(halfway), percentOfCore(socketIo)])
  const what = 'server with 1,000 people whose requests wait'
  const row = { what, unit: '% of a core', halfway: own, beside: 'plain Socket.IO', other }
  await queues.stop()
  for (const process of [workers, halfway, socketIo]) await process.stop()
  return [row]
}
