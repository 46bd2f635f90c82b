/** Requests taken in, and jobs queued, 250 at once as the server takes a batch. */
import type { Batches, BatchesDone } from '../measure/batches.ts'
import { type Child, startChild } from '../measure/child.ts'
import { separate } from '../measure/cores.ts'
import type { BenchRedis } from '../measure/redis.ts'
import type { Row } from '../measure/report.ts'
import { interleave, interleaveWarm } from '../measure/rounds.ts'

export const AT_ONCE = 250
/** Until all of what runs is compiled. */
const WARM_UP_SECONDS = 0.6

interface Measured extends BatchesDone {
  cpuMicroseconds: number
  redisMicroseconds: number
}

export async function measureTaking(
  redis: BenchRedis,
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<Row[]> {
  const env = { REDIS_URL: redis.url }
  const [ours, plain, pipelined, bare] = await Promise.all([
    startChild('bench/contenders/intake-ours.ts', { env }),
    startChild('bench/contenders/intake-plain.ts', { env }),
    startChild('bench/contenders/intake-plain.ts', { env: { ...env, AUTO_PIPELINING: 'true' } }),
    startChild('bench/contenders/queue-bare.ts', { env }),
  ])

  const take = async (child: Child, what: 'submit' | 'add', seconds: number): Promise<Measured> => {
    const [cpu, redisCpu] = [await child.cpu(), await redis.cpu()]
    const done = await child.ask<BatchesDone>(what, { atOnce: AT_ONCE, seconds } satisfies Batches)
    const measured = {
      ...done,
      cpuMicroseconds: ((await child.cpu()) - cpu) / done.count,
      redisMicroseconds: ((await redis.cpu()) - redisCpu) / done.count,
    }
    // So that the next one fills memory which Redis has used before: what more of it costs depends on who else uses the machine's.
    await redis.client.flushall()
    return measured
  }
  const contenders = (seconds: number) => ({
    submit: () => take(ours, 'submit', seconds),
    plain: () => take(plain, 'submit', seconds),
    pipelined: () => take(pipelined, 'submit', seconds),
    bare: () => take(bare, 'add', seconds),
    add: () => take(ours, 'add', seconds),
  })
  await interleave(1, contenders(WARM_UP_SECONDS))
  separate([ours, plain, pipelined, bare], [redis])
  const measured = await interleaveWarm(rounds, contenders(seconds))
  for (const child of [ours, plain, pipelined, bare]) await child.stop()

  const of = (name: keyof typeof measured, what: keyof Measured): number[] =>
    measured[name].map((each) => each[what])
  const submits = (what: string, unit: string, value: keyof Measured): Row => ({
    what,
    unit,
    ours: of('submit', value),
    beside: {
      'SETEX+LPUSH+add': of('plain', value),
      'auto-pipelined': of('pipelined', value),
      'bare BullMQ': of('bare', value),
    },
  })
  const adds = (what: string, unit: string, value: keyof Measured): Row => ({
    what,
    unit,
    ours: of('add', value),
    beside: { 'bare BullMQ': of('bare', value) },
  })
  return [
    submits('requests taken in a second', '/s', 'perSecond'),
    submits('CPU of the process a request', 'µs', 'cpuMicroseconds'),
    submits('CPU of Redis a request', 'µs', 'redisMicroseconds'),
    {
      ...adds('jobs queued a second', '/s', 'perSecond'),
      targets: [{ beside: 'bare BullMQ', atLeast: 0.9 }],
    },
    adds('CPU of the process a job queued', 'µs', 'cpuMicroseconds'),
    adds('CPU of Redis a job queued', 'µs', 'redisMicroseconds'),
  ]
}
