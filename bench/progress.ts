/** Progress writes of a bot: one writer, 100 writers at a time, and one writer whose Redis is 2 ms away. */
import { randomBytes } from 'node:crypto'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { startContender } from './processes.ts'
import type { BenchRedis } from './redis.ts'
import { compare, type Row } from './report.ts'
import { seed } from './requests.ts'

const WRITERS = 100
const MS_PER_ROUND = 200
const ONE_WAY_MS = 1
const ROUNDS = { warmUp: 4, rounds: 12 }

/** With DATA_KEY the first write seals, and later ones keep what did not change. */
const DATA_KEY = randomBytes(32).toString('base64')

export async function progress(redis: BenchRedis): Promise<Row[]> {
  const start = async (name: string, writers: number, env: NodeJS.ProcessEnv) => {
    const bot = await startContender(name, { REDIS_URL: redis.url, ...env })
    const hashes = await seed(redis.client, writers)
    return { stop: bot.stop, writesPerSecond: () => bot.call<number>('write', hashes, MS_PER_ROUND) }
  }
  const measure = async (
    what: string,
    writers: number,
    min: number,
    env = {},
    isSealed = false,
  ): Promise<Row> => {
    const other = await start(isSealed ? 'progress-halfway' : 'progress-by-hand', writers, env)
    const halfway = await start('progress-halfway', writers, isSealed ? { DATA_KEY } : env)
    const beside = isSealed ? 'without DATA_KEY' : 'GET + SETEX + PUBLISH'
    const row = await compare({ what, unit: '/s', beside, target: { min } }, ROUNDS, {
      halfway: halfway.writesPerSecond,
      other: other.writesPerSecond,
    })
    for (const bot of [halfway, other]) await bot.stop()
    return row
  }
  return [
    await measure('progress writes a second of one bot', 1, 1.2),
    await measure('progress writes a second, Redis 2 ms away', 1, 1.5, {
      REDIS_URL: await startDelayedRedis(redis.url),
    }),
    await measure(`progress writes a second, ${WRITERS} at a time`, WRITERS, 1.4),
    // Last: an installation that has a key starts no process without it.
    await measure('progress writes a second, with DATA_KEY', 1, 0.95, {}, true),
  ]
}

/** A proxy to Redis that delays what it passes on in both directions. @returns its address */
async function startDelayedRedis(redisUrl: string): Promise<string> {
  const { hostname, port } = new URL(redisUrl)
  const forward = (from: Socket, to: Socket): void => {
    from.setNoDelay()
    from.on('data', (chunk) => void setTimeout(() => to.write(chunk), ONE_WAY_MS))
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
  }
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname)
    forward(client, server)
    forward(server, client)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`
}
