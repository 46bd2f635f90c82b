/** What a Redis says about itself: for `doctor`, which judges it. Looks only; null is what it does not tell. */
import { Cluster, type Redis } from 'ioredis'
import type { RedisClient } from './connect.ts'

export interface RedisServerInfo {
  version: string | null
  /** What it does when it is full; `noeviction` is the only right answer. */
  evictionPolicy: string | null
  memory: Memory | null
  /** Whether requests outlive its restart. */
  appendOnly: boolean | null
  /** Microseconds from which a command is kept with its arguments; -1 for never. */
  slowLogMicroseconds: number | null
  /** How many connections of Halfway there are, by what they are for. */
  connections: Record<string, number> | null
}

export interface Memory {
  usedBytes: number
  /** 0 for no limit of its own. */
  maxBytes: number
}

const mastersOf = (client: RedisClient): Redis[] =>
  client instanceof Cluster ? client.nodes('master') : [client]

/** Of each master there is: several in a Cluster. */
export async function getServerInfo(client: RedisClient): Promise<RedisServerInfo[]> {
  return Promise.all(mastersOf(client).map((node) => factsOf(node, client.names.queues)))
}

/** How much of its memory is used, of the fullest master, 1 for all of it; null where there is no limit. */
export async function memoryShare(client: RedisClient): Promise<number | null> {
  const all = await Promise.all(
    mastersOf(client).map(async (node) => memoryOf(readInfo(await node.info('memory')))),
  )
  const shares = all.flatMap((memory) =>
    memory && memory.maxBytes > 0 ? [memory.usedBytes / memory.maxBytes] : [],
  )
  return shares.length === 0 ? null : Math.max(...shares)
}

async function factsOf(node: Redis, ours: string): Promise<RedisServerInfo> {
  const [info, slowLog, clients] = await Promise.all([
    seen(node.info()),
    seen(node.config('GET', 'slowlog-log-slower-than')),
    seen(node.client('LIST')),
  ])
  const facts = readInfo(String(info ?? ''))
  const appendOnly = facts.get('aof_enabled')
  return {
    version: facts.get('redis_version') ?? null,
    evictionPolicy: facts.get('maxmemory_policy') ?? null,
    memory: memoryOf(facts),
    appendOnly: appendOnly === undefined ? null : appendOnly === '1',
    slowLogMicroseconds: wholeNumber((slowLog as string[] | null)?.[1]),
    connections: typeof clients === 'string' ? countConnections(clients, ours) : null,
  }
}

/** A managed Redis may refuse what it is asked; that the connection broke is for the caller. */
async function seen<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer
  } catch (error) {
    if ((error as Error).name === 'ReplyError') return null
    throw error
  }
}

function memoryOf(facts: Map<string, string>): Memory | null {
  const usedBytes = wholeNumber(facts.get('used_memory'))
  const maxBytes = wholeNumber(facts.get('maxmemory'))
  return usedBytes === null || maxBytes === null ? null : { usedBytes, maxBytes }
}

const wholeNumber = (text: unknown): number | null => (/^-?\d+$/.test(String(text)) ? Number(text) : null)

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
