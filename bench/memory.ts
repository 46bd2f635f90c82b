/** What requests take up in Redis. It is the same each time, so each way is measured once. */
import { setTimeout as sleep } from 'node:timers/promises'
import { startChild } from './measure/child.ts'
import { type BenchRedis, startRedis } from './measure/redis.ts'
import type { Row, Section } from './measure/report.ts'

const REQUESTS = 10_000
const MB = 1_000_000
/** A multiple of next to nothing says nothing. */
const LITTLE_MB = 0.05
const BATCHES = { atOnce: 250, count: REQUESTS }
const FREED_AFTER_MS = 200
const SCAN_COUNT = 1_000

/** By what their keys look like; the first that fits. */
const KINDS = {
  records: /^local_request:req_/,
  'guards, gone after 60 s': /^halfway:backup:/,
  jobs: /:req_[^:]+$/,
  'the line, or what was kept of it': /:(prioritized|wait|completed)$/,
  'the reminders': /^halfway:deadlines$/,
  'the list': /^local_requests_list$/,
  'events of the queue': /:events$/,
} as const
const REST = 'the rest, such as the table of keys'
type Kind = keyof typeof KINDS | typeof REST
const ALL_KINDS = [...Object.keys(KINDS), REST] as Kind[]

interface Used {
  all: number
  kinds: Map<Kind, number>
}
interface Measured {
  pending: Used
  finished: Used
}

export async function memory(): Promise<Section> {
  const redis = await startRedis()
  const ours = await measure(redis, 'bench/contenders/intake-ours.ts')
  // The last of the arguments: jobs as BullMQ has them where nobody says otherwise.
  const plain = await measure(redis, 'bench/contenders/intake-plain.ts', {})
  await redis.stop()

  const rows = (state: keyof Measured): Row[] => [
    {
      what: `${REQUESTS.toLocaleString('en')} ${state}`,
      unit: 'MB',
      ours: [ours[state].all],
      beside: { 'by hand': [plain[state].all] },
      targets: state === 'pending' ? [{ atMost: 14 }] : [],
    },
    ...ALL_KINDS.flatMap((kind) => {
      const [used = 0, theirs = 0] = [ours[state].kinds.get(kind), plain[state].kinds.get(kind)]
      if (used + theirs === 0) return []
      const beside: Row['beside'] = theirs === 0 ? {} : { 'by hand': [theirs] }
      const row = { what: `  of which ${kind}`, unit: 'MB', ours: [used], beside }
      return Math.min(used, theirs) < LITTLE_MB ? [{ ...row, withoutRatios: true as const }] : [row]
    }),
  ]
  return {
    name: 'memory',
    title: 'Memory of Redis; a record, a list and a job of BullMQ by hand',
    rows: [...rows('pending'), ...rows('finished')],
  }
}

/** Whoever filled it has gone when it is measured: their connections and scripts are not what is meant. */
async function measure(redis: BenchRedis, file: string, ...options: unknown[]): Promise<Measured> {
  const { client } = redis
  await client.flushall()
  const empty = await redis.memory()
  const after = async (what: 'submit' | 'finish'): Promise<Used> => {
    const filler = await startChild(file, { env: { REDIS_URL: redis.url } })
    await filler.ask(what, BATCHES, ...options)
    await filler.stop()
    await client.script('FLUSH')
    await sleep(FREED_AFTER_MS)
    const all = (await redis.memory()) - empty
    return { all: all / MB, kinds: await byKind(redis, all) }
  }
  return { pending: await after('submit'), finished: await after('finish') }
}

async function byKind({ client }: BenchRedis, all: number): Promise<Map<Kind, number>> {
  const kinds = new Map<Kind, number>()
  let rest = all
  let cursor = '0'
  do {
    const [next, keys] = await client.scan(cursor, 'COUNT', SCAN_COUNT)
    cursor = next
    const pipeline = client.pipeline()
    for (const key of keys) pipeline.memory('USAGE', key, 'SAMPLES', 0)
    const used = (await pipeline.exec()) ?? []
    for (const [i, key] of keys.entries()) {
      const bytes = Number(used[i]?.[1])
      const kind = Object.entries(KINDS).find(([, form]) => form.test(key))?.[0] as Kind | undefined
      if (!kind) continue
      kinds.set(kind, (kinds.get(kind) ?? 0) + bytes / MB)
      rest -= bytes
    }
  } while (cursor !== '0')
  return kinds.set(REST, rest / MB)
}
