/** What a Redis says about itself: for `doctor`, which judges it. Looks only. */
import { Cluster, type Redis } from 'ioredis'
import type { RedisClient } from './connect.ts'

export interface RedisFacts {
  version: string
  /** What it does when it is full; `noeviction` is the only right answer. */
  evictionPolicy: string
  usedBytes: number
  /** 0 for no limit of its own. */
  maxBytes: number
  /** Whether requests outlive its restart. */
  appendOnly: boolean
  /** Microseconds from which a command is kept with its arguments; -1 never, null when it is not told. */
  slowLogMicroseconds: number | null
  /** How many connections of Halfway there are, by what they are for. */
  connections: Record<string, number>
}

/** Of each master there is: several in a Cluster. */
export async function redisFacts(client: RedisClient): Promise<RedisFacts[]> {
  const nodes: Redis[] = client instanceof Cluster ? client.nodes('master') : [client]
  return Promise.all(nodes.map((node) => factsOf(node, client.names.queues)))
}

async function factsOf(node: Redis, ours: string): Promise<RedisFacts> {
  const info = readInfo(await node.info())
  const slowLog = await node
    .config('GET', 'slowlog-log-slower-than')
    .then((pair) => Number((pair as string[])[1]))
    // A managed Redis may not tell.
    .catch(() => Number.NaN)
  const clients = String(await node.client('LIST').catch(() => ''))
  return {
    version: info.get('redis_version') ?? 'unknown',
    evictionPolicy: info.get('maxmemory_policy') ?? 'unknown',
    usedBytes: Number(info.get('used_memory') ?? 0),
    maxBytes: Number(info.get('maxmemory') ?? 0),
    appendOnly: info.get('aof_enabled') === '1',
    slowLogMicroseconds: Number.isNaN(slowLog) ? null : slowLog,
    connections: countConnections(clients, ours),
  }
}

/** By the names that `connect.ts` and BullMQ give them. */
function countConnections(clients: string, ours: string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const [, name] of clients.matchAll(/ name=(\S+)/g)) {
    if (!name?.startsWith(ours)) continue
    const kind = /:(fail-fast|patient|subscriber)$/.exec(name)?.[1] ?? 'blocking'
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

const readInfo = (text: string): Map<string, string> =>
  new Map(
    [...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name, value]) => [name as string, value as string]),
  )
