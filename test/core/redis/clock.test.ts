import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { startClock } from '../../../core/redis/clock.ts'
import { startChild } from '../../helpers/child.ts'
import { eventually } from '../../helpers/eventually.ts'
import { onRealRedis, quiet, useRedis } from '../../helpers/redis.ts'
import { collectLog } from '../../helpers/server.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')

/** Equal within the delays of a busy machine; a wrong clock is off by minutes. */
const expectSame = (a: number, b: number): void => expect(Math.abs(a - b)).toBeLessThan(10_000)
const redisNow = async (): Promise<number> => {
  const [seconds, micros] = await client.time()
  return Number(seconds) * 1000 + Number(micros) / 1000
}

/** The machine's clock is set: Date jumps, the monotonic clock does not. */
function setMachineClock(byMs: number): void {
  const right = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => right() + byMs)
  onTestFinished(() => void vi.restoreAllMocks())
}

describe('the clock', () => {
  it.for([600_000, -600_000])(
    'a machine whose clock is off by %i ms uses the Redis clock and warns once',
    async (shiftMs) => {
      const child = startChild('test/helpers/fixtures/clock.ts', [redis.url], {
        NODE_OPTIONS: '--import ./test/helpers/fixtures/shifted-clock.mjs',
        SHIFT_CLOCK_MS: String(shiftMs),
      })
      expect(await child.ended).toBe(0)
      const [, json = '{}'] = child.output().match(/^times (.*)$/m) ?? []
      const times = JSON.parse(json) as { machine: number; redis: number }
      expectSame(times.machine - times.redis, shiftMs)
      expect(child.output().match(/"level":40/g)).toHaveLength(1)
    },
  )

  it('the Redis clock does not move when the machine clock is set', async () => {
    const clock = await startClock({ redis: client, log: quiet })
    onTestFinished(() => clock.stop())
    setMachineClock(3_600_000)
    const before = clock.now()
    expectSame(before, await redisNow())
    // The measurement that this causes gives the same time.
    await client.ping()
    expectSame(clock.now(), before)
  })

  it('a machine clock that was set is noticed by the next measurement, with one warning', async () => {
    const { log, lines } = collectLog()
    const clock = await startClock({ redis: client, log, everyMs: 20 })
    onTestFinished(() => clock.stop())
    expect(lines).toEqual([])
    setMachineClock(3_600_000)
    await eventually(() => expect(lines).toHaveLength(1))
    expect(lines[0]).toMatch(/"off_ms":3(600|599|601)\d{3}/)
  })

  it.runIf(onRealRedis)('the Redis clock keeps running while Redis is unavailable', async () => {
    const own = await redis.connections.connect('fail-fast')
    const clock = await startClock({ redis: own, log: quiet, everyMs: 20 })
    onTestFinished(() => clock.stop())
    await redis.stop()
    const failed = eventually(() => expect(own.status).not.toBe('ready'))
    await failed
    const before = [clock.now(), Date.now()] as const
    await eventually(() => expect(Date.now() - before[1]).toBeGreaterThan(100))
    expectSame(clock.now(), Date.now())
    await redis.restart()
  })

  it('the Redis clock starts from the machine clock when Redis is unavailable at the start', async () => {
    const { connections } = redis
    const gone = await connections.connect('fail-fast')
    gone.disconnect()
    const clock = await startClock({ redis: gone, log: quiet })
    onTestFinished(() => clock.stop())
    expectSame(clock.now(), Date.now())
  })
})
