/** Reads settings and statistics of Redis for `doctor`, without changing anything. Null is what the server does not report. */
import { Cluster, type Redis } from 'ioredis'
import type { RedisClient } from './connect.ts'

export interface RedisServerInfo {
  version: string | null
  /** `maxmemory-policy`; only `noeviction` is safe. */
  evictionPolicy: string | null
  memory: Memory | null
  /** Whether requests survive a restart of the server. */
  appendOnly: boolean | null
  /** Duration from which a command is stored with its arguments, microseconds; -1 for never. */
  slowLogMicroseconds: number | null
  /** Number of this installation's connections, by role. */
  connections: Record<string, number> | null
}

export interface Memory {
  usedBytes: number
  /** 0 without a limit. */
  maxBytes: number
}

export type RedisNode = Redis

export const listMasters = (client: RedisClient): RedisNode[] =>
  client instanceof Cluster ? client.nodes('master') : [client]

/** One entry per master; a Cluster has several. */
export async function getServerInfo(client: RedisClient): Promise<RedisServerInfo[]> {
  return Promise.all(listMasters(client).map((node) => readNode(node, client.names.queues)))
}

const usedShare = ({ usedBytes, maxBytes }: Memory): number => (maxBytes > 0 ? usedBytes / maxBytes : 0)

/** Of the fullest master; null where it does not say. */
export async function readMemory(client: RedisClient): Promise<Memory | null> {
  const all = await Promise.all(
    listMasters(client).map(async (node) =>
      toMemory(parseInfo((await nullIfRefused(node.info('memory'))) ?? '')),
    ),
  )
  const known = all.filter((memory) => memory !== null)
  return known.sort((a, b) => usedShare(b) - usedShare(a))[0] ?? null
}

/** Used share of `maxmemory` of the fullest master, 0 to 1; null without a limit. */
export async function memoryShare(client: RedisClient): Promise<number | null> {
  const memory = await readMemory(client)
  return memory && memory.maxBytes > 0 ? usedShare(memory) : null
}

async function readNode(node: Redis, connectionPrefix: string): Promise<RedisServerInfo> {
  const [info, slowLog, clients] = await Promise.all([
    nullIfRefused(node.info()),
    nullIfRefused(node.config('GET', 'slowlog-log-slower-than')),
    nullIfRefused(node.client('LIST')),
  ])
  const facts = parseInfo(String(info ?? ''))
  const appendOnly = facts.get('aof_enabled')
  return {
    version: facts.get('redis_version') ?? null,
    evictionPolicy: facts.get('maxmemory_policy') ?? null,
    memory: toMemory(facts),
    appendOnly: appendOnly === undefined ? null : appendOnly === '1',
    slowLogMicroseconds: wholeNumber((slowLog as string[] | null)?.[1]),
    connections: typeof clients === 'string' ? countConnections(clients, connectionPrefix) : null,
  }
}

/** Null when the command is refused, as managed services do; other errors are thrown. */
export async function nullIfRefused<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer
  } catch (error) {
    if ((error as Error).name === 'ReplyError') return null
    throw error
  }
}

function toMemory(facts: Map<string, string>): Memory | null {
  const usedBytes = wholeNumber(facts.get('used_memory'))
  const maxBytes = wholeNumber(facts.get('maxmemory'))
  return usedBytes === null || maxBytes === null ? null : { usedBytes, maxBytes }
}

const wholeNumber = (text: unknown): number | null => (/^-?\d+$/.test(String(text)) ? Number(text) : null)

/** Counts them by the connection names that `connect.ts` and BullMQ set. */
function countConnections(clients: string, connectionPrefix: string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const [, name] of clients.matchAll(/ name=(\S+)/g)) {
    if (!name?.startsWith(connectionPrefix)) continue
    const kind = /:(fail-fast|patient|subscriber)$/.exec(name)?.[1] ?? 'blocking'
    counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

const parseInfo = (text: string): Map<string, string> =>
  new Map(
    [...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name, value]) => [name as string, value as string]),
  )
