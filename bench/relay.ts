/** Updates that a server relays from Redis to the watchers of 4,000 requests, and the memory of a watcher who is idle. */
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { createUpdater } from '../bots/updater.ts'
import { type MeasuredServer, startContenderServer, startHalfway } from './processes.ts'
import type { BenchRedis } from './redis.ts'
import { compare, type Row } from './report.ts'
import { ATTEMPT, PROGRESS, STEP, seed } from './requests.ts'

const REQUESTS = 4_000
/** Watched before the memory is read for the first time, so that what only the first connections allocate is not counted. */
const FIRST_REQUESTS = 200
const UPDATES_PER_ROUND = 1_000
const ROUNDS = { warmUp: 3, rounds: 13 }
const CONNECTED_TOGETHER = 50
/** 20 updates every 5 ms, about 4,000 a second. */
const BURST = { updates: 20, pauseMs: 5 }
const MESSAGE = 'update '
const MAX_WAIT_MS = 2_000
const MAX_LOST = 0.01

/** Updates that watchers have received. */
let received = 0

export async function relay(redis: BenchRedis): Promise<Row[]> {
  const env = { REDIS_URL: redis.url }
  const [halfway, socketIo] = [await startHalfway(env), await startContenderServer('relay-socketio', env)]
  const updater = await createUpdater({ redis: redis.url })
  let sent = 0
  const update = (hash: string): Promise<void> =>
    updater.bind(hash, () => ATTEMPT).updateProgress(PROGRESS, STEP, `${MESSAGE}${++sent}`)

  const kilobytes: number[] = []
  const cpuPerUpdate = async (server: MeasuredServer) => {
    const hashes = await seed(redis.client, FIRST_REQUESTS + REQUESTS)
    const watched = hashes.splice(FIRST_REQUESTS)
    await connect(server.url, hashes)
    await deliver(hashes, update)
    const before = await server.call<number>('heap')
    await connect(server.url, watched)
    kilobytes.push(((await server.call<number>('heap')) - before) / REQUESTS / 1000)
    // The first update of a request allocates more than those that follow.
    await deliver(watched, update)
    let from = 0
    return async (): Promise<number> => {
      const round = watched.slice(from, from + UPDATES_PER_ROUND)
      from = (from + UPDATES_PER_ROUND) % REQUESTS
      const cpu = await server.cpu()
      const delivered = await deliver(round, update)
      return ((await server.cpu()) - cpu) / delivered
    }
  }
  const contenders = { halfway: await cpuPerUpdate(halfway), other: await cpuPerUpdate(socketIo) }
  const beside = 'plain Socket.IO'
  const what = 'CPU of an update, 4,000 requests'
  const row = await compare({ what, unit: 'µs', beside, target: { max: 0.9 } }, ROUNDS, contenders)
  for (const server of [halfway, socketIo]) await server.stop()
  await updater.stop()
  const [own = 0, other = 0] = kilobytes
  const idle = 'memory of an idle watcher'
  return [row, { what: idle, unit: 'kB', halfway: [own], beside, other: [other], target: { max: 1.3 } }]
}

/** Updates each of the requests once. @returns how many updates watchers have received */
async function deliver(hashes: string[], update: (hash: string) => Promise<void>): Promise<number> {
  received = 0
  const writes: Promise<void>[] = []
  for (let from = 0; from < hashes.length; from += BURST.updates) {
    writes.push(...hashes.slice(from, from + BURST.updates).map(update))
    await sleep(BURST.pauseMs)
  }
  await Promise.all(writes)
  for (let waited = 0; received < hashes.length && waited < MAX_WAIT_MS; waited += BURST.pauseMs)
    await sleep(BURST.pauseMs)
  if (received < hashes.length * (1 - MAX_LOST))
    throw new Error(`${received} of ${hashes.length} updates arrived`)
  return received
}

/** Watches each request over a connection of its own. */
export async function connect(url: string, hashes: string[]): Promise<void> {
  for (let from = 0; from < hashes.length; from += CONNECTED_TOGETHER)
    await Promise.all(hashes.slice(from, from + CONNECTED_TOGETHER).map((hash) => watch(url, hash)))
}

/** Speaks Socket.IO's protocol by hand, which costs the benchmark less than its client. */
function watch(url: string, hash: string): Promise<void> {
  const address = `${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`
  const socket = new WebSocket(address, { perMessageDeflate: false })
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', (data: Buffer) => {
      if (data.includes(MESSAGE, 0, 'latin1')) return void received++
      const text = data.toString()
      if (text === '2') socket.send('3')
      else if (text.startsWith('0')) socket.send('40')
      else if (text.startsWith('40')) socket.send(`420["request:watch",{"hash":"${hash}"}]`)
      else if (text.startsWith('430[{"ok":true')) resolve()
      else reject(new Error(`unexpected message: ${text}`))
    })
  })
}
