/** What an installation costs before anything happens: the start of a server, people who wait, the memory of requests. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createQueues } from '../core/queue/queues.ts'
import { freePort } from '../core/redis/local-server.ts'
import { createLog } from '../core/runtime/log.ts'
import {
  compiled,
  type MeasuredServer,
  pin,
  ROOT,
  SETTINGS,
  startContenderServer,
  startHalfway,
  startWorkers,
} from './processes.ts'
import { type BenchRedis, usedMemory } from './redis.ts'
import { connect } from './relay.ts'
import { compare, type Row } from './report.ts'
import { SERVICE } from './requests.ts'
import { submitBatches, UNLIMITED } from './submit.ts'

const START_ROUNDS = { warmUp: 1, rounds: 6 }
const PEOPLE = 1_000
/** Until what the connections left behind is done. */
const SETTLED_AFTER_MS = 3_000
const SECONDS = 8
const REQUESTS = 10_000

export const costs = async (redis: BenchRedis): Promise<Row[]> => [
  ...(await measureStart(redis)),
  await measureWaiting(redis),
  await measurePending(redis),
]

async function measureStart({ url }: BenchRedis): Promise<Row[]> {
  const megabytes = { halfway: [] as number[], other: [] as number[] }
  const untilReady = (name: keyof typeof megabytes, file: string) => async (): Promise<number> => {
    const env = { ...SETTINGS, REDIS_URL: url, PORT: String(await freePort()) }
    const startedAt = performance.now()
    const child = spawn(process.execPath, [file], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    pin(child.pid as number, '0')
    const ended = once(child, 'exit')
    const isReady = await Promise.race([once(child, 'message'), ended.then(() => null)])
    if (!isReady) throw new Error(`${file} ended at its start`)
    const ms = performance.now() - startedAt
    megabytes[name].push(Number(execFileSync('ps', ['-o', 'rss=', '-p', `${child.pid}`])) / 1024)
    child.kill('SIGKILL')
    await ended
    return ms
  }
  const beside = 'its libraries alone'
  const ready = { what: 'start of a server until it is ready', unit: 'ms', beside, target: { max: 1.5 } }
  const row = await compare(ready, START_ROUNDS, {
    halfway: untilReady('halfway', compiled('server')),
    other: untilReady('other', 'bench/contenders/start-bare.mjs'),
  })
  return [row, { what: 'memory of a server then', unit: 'MB', beside, ...megabytes, target: { max: 1.3 } }]
}

/** A server in which nothing happens but that people watch requests that wait. */
async function measureWaiting({ url, client }: BenchRedis): Promise<Row> {
  const env = { REDIS_URL: url, ...UNLIMITED }
  const [halfway, socketIo] = [await startHalfway(env), await startContenderServer('relay-socketio', env)]
  const log = createLog('bench', 'warn')
  const queues = createQueues({ redis: client, log, queueList: () => [SERVICE.queue] })
  await queues.pause(SERVICE.queue.name)
  const workers = await startWorkers(env)
  await submitBatches(halfway.url, PEOPLE)
  const hashes = await client.lrange(client.names.list, 0, PEOPLE - 1)
  for (const { url } of [halfway, socketIo]) await connect(url, hashes)
  await sleep(SETTLED_AFTER_MS)
  const percentOfCore = async (server: MeasuredServer): Promise<number[]> => {
    const before = await server.cpu()
    await sleep(SECONDS * 1000)
    return [((await server.cpu()) - before) / SECONDS / 10_000]
  }
  const [own, other] = await Promise.all([percentOfCore(halfway), percentOfCore(socketIo)])
  await queues.stop()
  for (const process of [workers, halfway, socketIo]) await process.stop()
  const what = 'server with 1,000 people whose requests wait'
  return { what, unit: '% of a core', halfway: own, beside: 'plain Socket.IO', other }
}

/** It is the same each time, so it is measured once. */
async function measurePending(redis: BenchRedis): Promise<Row> {
  const { client } = redis
  const megabytes = async (start: () => Promise<MeasuredServer>): Promise<number[]> => {
    await client.flushall()
    const before = await usedMemory(client)
    const server = await start()
    await submitBatches(server.url, REQUESTS)
    if ((await client.llen(client.names.list)) !== REQUESTS) throw new Error('requests were refused')
    // Connections and scripts are not counted.
    await server.stop()
    await client.script('FLUSH')
    return [((await usedMemory(client)) - before) / 1_000_000]
  }
  const env = { REDIS_URL: redis.url }
  const halfway = await megabytes(() => startHalfway({ ...env, ...UNLIMITED }))
  const other = await megabytes(() => startContenderServer('submit-by-hand', env))
  const what = 'Redis memory of 10,000 pending requests'
  return { what, unit: 'MB', halfway, beside: 'by hand', other, target: { max: 1.4 } }
}
