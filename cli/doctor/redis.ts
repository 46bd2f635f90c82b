/** Whether the Redis is one on which requests are safe. */
import { type RedisFacts, redisFacts } from '../../core/redis/redis-facts.ts'
import type { Installation } from '../installation.ts'
import { duration, plural } from '../terminal.ts'
import { type Finding, fine } from './finding.ts'

const OLDEST_VERSION = [6, 2] as const
/** Record and job of one request; a result comes on top. */
const BYTES_A_REQUEST = 1_500
/** Fewer than this is no busy half hour. */
const ENOUGH_REQUESTS = 10_000
/** A server writes a few of its own every second. */
const MEGABYTE = 1024 * 1024

const KINDS = {
  'fail-fast': 'of servers',
  patient: 'of workers and bots',
  subscriber: 'that listen',
  blocking: 'that wait for jobs',
}

export async function checkRedis({ redis, failures, deadlines }: Installation): Promise<Finding[]> {
  const nodes = await redisFacts(redis)
  const begun = performance.now()
  await redis.ping()
  const ms = performance.now() - begun
  const unfinished = (await deadlines.all()).length
  return [
    ...nodes.flatMap((facts) => [
      version(facts),
      policy(facts),
      memory(facts),
      persistence(facts),
      slowLog(facts),
    ]),
    fine('Redis round trip', `${ms.toFixed(1)} ms`),
    fine('Redis connections', connections(nodes)),
    fine(
      'Requests',
      `${plural(unfinished, 'request')} under way, ${await failures.count()} failed in the last ${duration(7 * 86_400)}`,
    ),
  ]
}

function version({ version: found }: RedisFacts): Finding {
  const [major = 0, minor = 0] = found.split('.').map(Number)
  const isOld = major < OLDEST_VERSION[0] || (major === OLDEST_VERSION[0] && minor < OLDEST_VERSION[1])
  if (!isOld) return fine('Redis version', found)
  return {
    check: 'Redis version',
    result: 'fail',
    found,
    todo: `Install ${OLDEST_VERSION.join('.')} or newer.`,
  }
}

function policy({ evictionPolicy: found }: RedisFacts): Finding {
  if (found === 'noeviction') return fine('Redis when full', 'refuses, and loses nothing (noeviction)')
  // A managed Redis may not tell, nor does the JavaScript one: nothing is known to be wrong.
  const isUnknown = found === 'unknown'
  return {
    check: 'Redis when full',
    result: isUnknown ? 'warn' : 'fail',
    found: isUnknown ? 'cannot be asked' : `throws requests away (${found})`,
    todo: 'Set maxmemory-policy noeviction: CONFIG SET maxmemory-policy noeviction, and in redis.conf.',
  }
}

function memory({ usedBytes, maxBytes }: RedisFacts): Finding {
  const used = `${Math.round(usedBytes / MEGABYTE)} MB used`
  if (maxBytes === 0) return fine('Redis memory', `${used}, no limit of its own`)
  const room = Math.max(0, Math.floor((maxBytes - usedBytes) / BYTES_A_REQUEST))
  const found = `${used} of ${Math.round(maxBytes / MEGABYTE)} MB, room for some ${room} requests more`
  if (room >= ENOUGH_REQUESTS) return fine('Redis memory', found)
  const todo = 'Raise maxmemory, or lower REQUEST_TTL: a full Redis refuses new requests.'
  return { check: 'Redis memory', result: 'warn', found, todo }
}

function persistence({ appendOnly }: RedisFacts): Finding {
  if (appendOnly) return fine('Redis persistence', 'requests outlive its restart (append-only file)')
  return {
    check: 'Redis persistence',
    result: 'warn',
    found: 'requests may be lost with a restart of Redis',
    todo: 'Set appendonly yes where requests must outlive it.',
  }
}

function slowLog({ slowLogMicroseconds: found }: RedisFacts): Finding {
  if (found === -1) return fine('Redis slow log', 'off: it would keep codes on their way')
  return {
    check: 'Redis slow log',
    result: 'warn',
    found:
      found === null
        ? 'cannot be asked'
        : `keeps commands of ${found} µs and more, with codes on their way among them`,
    todo: 'Set slowlog-log-slower-than -1.',
  }
}

function connections(nodes: readonly RedisFacts[]): string {
  const counted = Object.entries(KINDS).map(([kind, words]) => {
    const count = nodes.reduce((sum, facts) => sum + (facts.connections[kind] ?? 0), 0)
    return `${count} ${words}`
  })
  return `${counted.join(', ')} (with those of this command)`
}
