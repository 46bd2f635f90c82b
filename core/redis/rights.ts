/**
 * What a process needs to be allowed in Redis, and what its user lacks. The ACL lines in docs/SECURITY.md grant this;
 * `test/core/redis/rights.test.ts` compares them.
 *
 * Redis checks a command of a transaction when it is queued. So all of them are queued and then discarded: nothing is run, and
 * no right to read ACLs is needed.
 */
import { Cluster, type Redis, type RedisOptions } from 'ioredis'
import type { Keys } from './keys.ts'

/** `tasks` are those of the redis driver, below a prefix of their own. */
export type Rights = 'server' | 'workers' | 'bots' | 'cli' | 'bridge' | { tasks: string }

/** In place of a hash, a queue or another variable part of a key. */
const ANY = 'ANY'
const HASH = `req_${ANY}`
const CONNECTION = 'ping|time|evalsha x 0|eval x 0'
/** K is a key. */
const RECORDS =
  'get K|mget K|set K v|getdel K|del K|exists K|expire K 1|pexpire K 1|pexpireat K 1|hset K f v|hsetnx K f v|hget K f|hmget K f|hgetall K|hkeys K|' +
  'hdel K f|hlen K|hincrby K f 1|lindex K 0|lset K 0 v|rpush K v|ltrim K 0 0|lrange K 0 0|zadd K 1 m|zrem K m|zrange K 0 0|zrangebyscore K 0 0|zremrangebyscore K 0 0|zcard K|zscore K m'
/** Those of BullMQ's scripts, and of the own ones about queues. */
export const QUEUES =
  'get K|set K v|getdel K|incr K|incrby K 1|mget K|del K|unlink K|exists K|expire K 1|pexpire K 1|pexpireat K 1|pttl K|persist K|' +
  'rename K K|type K|hset K f v|hmset K f v|hsetnx K f v|hget K f|hmget K f|hgetall K|hdel K f|hexists K f|hincrby K f 1|hkeys K|hlen K|' +
  'lpush K v|rpush K v|lpop K|rpop K|rpoplpush K K|lrange K 0 0|lrem K 0 v|ltrim K 0 0|llen K|lindex K 0|lset K 0 v|lpos K v|' +
  'sadd K m|srem K m|scard K|sismember K m|smembers K|zadd K 1 m|zrem K m|zcard K|zcount K 0 0|zlexcount K - +|zpopmin K|' +
  'zrange K 0 0|zrangebylex K - +|zrangebyscore K 0 0|zrank K m|zscore K m|zmscore K m|zrevrange K 0 0|zrevrangebyscore K 0 0|' +
  'zremrangebyrank K 0 0|zremrangebyscore K 0 0|xadd K * f v|xlen K|xrange K - +|xdel K 1-1|xtrim K MAXLEN 1'

const COMMANDS: Record<Extract<Rights, string> | 'tasks', string> = {
  server: `${CONNECTION}|${QUEUES}`,
  workers: `${CONNECTION}|${QUEUES}|bzpopmin K 1`,
  bots: `${CONNECTION}|${RECORDS}`,
  tasks: `ping|evalsha x 0|eval x 0|${QUEUES}|bzpopmin K 1|blpop K 1`,
  cli: `${CONNECTION}|${QUEUES}|scan 0`,
  bridge: 'ping',
}

/** One key of each pattern. */
interface SampleKeys {
  all: string[]
  readOnly?: string[]
  writeOnly?: string[]
}

function sampleKeys(rights: Rights, names: Keys): SampleKeys {
  if (typeof rights === 'object') return { all: [`${rights.tasks}:${ANY}`] }
  if (rights === 'bridge') return { all: [] }
  if (rights !== 'bots')
    return { all: [names.record(HASH), names.list, `${names.own}${ANY}`, `${names.queues}:${ANY}:wait`] }
  const { services, controls } = names
  const ofRequest = [
    names.record, names.otp, names.earlyOtp, names.image, names.resendTaken, names.heartbeat, names.files,
    names.timeline, names.backup,
  ] // biome-ignore format: a list
  return {
    all: [
      ...ofRequest.map((of) => of(HASH)),
      names.file(HASH, ANY),
      ...[services.all, services.bots, services.seen, services.older, services.version],
      names.dataKey,
      controls.all,
      controls.failures(ANY),
      names.ends(0).replace(/0$/, ANY),
    ],
    readOnly: [names.removed('').replace(/[^:]*$/, ANY)],
    writeOnly: [names.deadlines, names.unfinished(ANY), names.subject('tries', ANY)],
  }
}

const kindOf = (rights: Rights) => (typeof rights === 'object' ? 'tasks' : rights)

const patternOf = (key: string): string => key.replaceAll(ANY, '*')

/** Of a connection for a single check, opened by `connect()`, which fails instead of trying again. */
export const PROBE_OPTIONS = {
  lazyConnect: true,
  enableReadyCheck: false,
  retryStrategy: null,
  reconnectOnError: null,
  maxRetriesPerRequest: 0,
  sentinelRetryStrategy: () => null,
} satisfies RedisOptions

/** @returns what the user of this connection lacks, as parts of a sentence */
export async function findMissingRights(
  client: Redis | Cluster,
  names: Keys,
  rights: Rights,
): Promise<string[]> {
  const [node] = client instanceof Cluster ? client.nodes('master') : [client]
  if (!node) return []
  // A connection of its own: what others send meanwhile must not become part of the transaction.
  const probe = node.duplicate(PROBE_OPTIONS)
  probe.on('error', () => {})
  try {
    await probe.connect()
    return await tryAll(probe, names, rights)
  } finally {
    probe.disconnect()
  }
}

const QUEUED = 'QUEUED'
type CommandWithArguments = [name: string, ...args: string[]]

async function tryAll(probe: Redis, names: Keys, rights: Rights): Promise<string[]> {
  const { all, readOnly = [], writeOnly = [] } = sampleKeys(rights, names)
  const kind = kindOf(rights)
  const { plain, sharded } = names.channelsOf(HASH)
  const channelsFor = (prefix: string, of: string): [string, string][] =>
    of && kind !== 'tasks' ? [of, names.subscriberCheck(ANY)].map((channel) => [prefix, channel]) : []
  const isBridge = kind === 'bridge'
  const channels = [...channelsFor('', plain), ...(isBridge ? [] : channelsFor('s', sharded))]
  const commands = COMMANDS[kind]
    .split('|')
    .map((text) => text.split(' ').map((part) => (part === 'K' ? (all.at(-1) as string) : part)))
  const queued = [
    ...commands,
    ...[...all, ...readOnly].map((key) => ['get', key]),
    ...[...all, ...writeOnly].map((key) => ['del', key]),
    ...channels.map(([prefix, channel]) => [`${prefix}publish`, channel, '']),
    ['discard'],
  ] as CommandWithArguments[]
  const refused = await probe.call('multi').then(
    () => null,
    (error: Error) => error,
  )
  if (refused) return explain(refused, ['multi'])
  // What is not queued would be run.
  if ((await probe.call('ping').catch(() => QUEUED)) !== QUEUED) return []
  const subscriptions = [
    ...channels.map(([prefix, channel]) => [`${prefix}subscribe`, channel]),
    ...(isBridge ? [['psubscribe', names.channel('*')]] : []),
  ] as ['subscribe' | 'ssubscribe' | 'psubscribe', string][]
  const answers = await Promise.allSettled(queued.map(([name, ...args]) => probe.call(name, ...args)))
  const subscribed = await Promise.allSettled(subscriptions.map(([name, channel]) => probe[name](channel)))
  const tried = [...queued, ...subscriptions]
  const missing = [...answers, ...subscribed].flatMap((answer, i) =>
    answer.status === 'rejected' ? explain(answer.reason as Error, tried[i] as CommandWithArguments) : [],
  )
  return [...new Set(missing)]
}

/** Other errors than a missing right say nothing about rights: a command may be unknown, a slot elsewhere. */
function explain({ message }: Error, [name, ...args]: CommandWithArguments): string[] {
  if (!message.startsWith('NOPERM')) return []
  if (/to run the/.test(message)) return [`the command ${name}`]
  const kind = /channel/.test(message) ? 'channel' : name === 'get' ? 'key (reading)' : 'key (writing)'
  return [`the ${kind} ${patternOf(args.find((arg) => arg.includes(':')) ?? '')}`]
}
