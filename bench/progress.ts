/** Progress writes of a bot: one writer, 100 writers at a time, and one writer whose Redis is 2 ms away. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { startContender } from './processes.ts'
import type { BenchRedis } from './redis.ts'
import type { Row } from './report.ts'
import { seed } from './requests.ts'
import { alternate } from './rounds.ts'

const WRITERS = 100
const MS_PER_ROUND = 200
const ONE_WAY_MS = 1
const ROUNDS = { warmUp: 10, rounds: 16 }

export async function progress(redis: BenchRedis): Promise<Row[]> {
  const farUrl = await startDelayedRedis(redis.url)
  const measure = async (what: string, writers: number, url = redis.url): Promise<Row> => {
    const start = async (name: string) => {
      const bot = await startContender(name, { REDIS_URL: url })
      const hashes = await seed(redis.client, writers)
      return { stop: bot.stop, writesPerSecond: () => bot.call<number>('write', hashes, MS_PER_ROUND) }
    }
    const [halfway, byHand] = [await start('progress-halfway'), await start('progress-by-hand')]
    const measured = await alternate(ROUNDS, {
      halfway: halfway.writesPerSecond,
      byHand: byHand.writesPerSecond,
    })
    for (const bot of [halfway, byHand]) await bot.stop()
    return {
      what,
      unit: '/s',
      halfway: measured.halfway,
      beside: 'GET + SETEX + PUBLISH',
      other: measured.byHand,
      target: { min: 1.5 },
    }
  }
  return [
    await measure('progress writes a second of one bot', 1),
    await measure('progress writes a second, Redis 2 ms away', 1, farUrl),
    await measure(`progress writes a second, ${WRITERS} at a time`, WRITERS),
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
