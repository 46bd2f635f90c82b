/** Whether the Redis is one on which requests are safe. */
import { NEARLY_FULL, tryToWrite } from '../../core/queue/readiness.ts'
import { getServerInfo, type RedisServerInfo } from '../../core/redis/server-info.ts'
import type { Installation } from '../installation.ts'
import { duration, plural } from '../terminal.ts'
import { type Finding, ok, unseen } from './check-result.ts'

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

const INFO_TODO = 'Give the user of Redis the right to INFO, or look there yourself.'

export const checkFacts = async ({ redis }: Installation): Promise<Finding[]> => {
  const nodes = await getServerInfo(redis)
  return [
    ...nodes.flatMap((definitionList) => [
      version(definitionList),
      policy(definitionList),
      memory(definitionList),
      persistence(definitionList),
      slowLog(definitionList),
    ]),
    connections(nodes),
  ]
}

export async function checkRoundTrip({ redis }: Installation): Promise<Finding[]> {
  const begun = performance.now()
  await redis.ping()
  return [ok('Redis round trip', `${(performance.now() - begun).toFixed(1)} ms`)]
}

export async function checkWrites({ redis }: Installation): Promise<Finding[]> {
  const check = 'Redis writes'
  const refusal = await tryToWrite(redis)
  if (refusal === null) return [ok(check, 'are taken')]
  const todo = 'New requests are refused, and running ones cannot end: see to this first.'
  return [{ check, result: 'fail', found: refusal, todo }]
}

export async function checkRequests({ failures, deadlines }: Installation): Promise<Finding[]> {
  const unfinished = (await deadlines.all()).length
  const failed = await failures.count()
  const found = `${plural(unfinished, 'request')} under way, ${failed} failed in the last ${duration(7 * 86_400)}`
  return [ok('Requests', found)]
}

function version({ version: found }: RedisServerInfo): Finding {
  const check = 'Redis version'
  if (found === null) return unseen(check, 'its version', INFO_TODO)
  const [major = 0, minor = 0] = found.split('.').map(Number)
  const isOld = major < OLDEST_VERSION[0] || (major === OLDEST_VERSION[0] && minor < OLDEST_VERSION[1])
  if (!isOld) return ok(check, found)
  return { check, result: 'fail', found, todo: `Install ${OLDEST_VERSION.join('.')} or newer.` }
}

function policy({ evictionPolicy: found }: RedisServerInfo): Finding {
  const check = 'Redis when full'
  const todo = 'Set maxmemory-policy noeviction: CONFIG SET maxmemory-policy noeviction, and in redis.conf.'
  if (found === null) return unseen(check, 'its maxmemory-policy', todo)
  if (found === 'noeviction') return ok(check, 'refuses, and loses nothing (noeviction)')
  return { check, result: 'fail', found: `throws requests away (${found})`, todo }
}

function memory({ memory: seen }: RedisServerInfo): Finding {
  const check = 'Redis memory'
  if (seen === null) return unseen(check, 'how full it is', INFO_TODO)
  const { usedBytes, maxBytes } = seen
  const used = `${Math.round(usedBytes / MEGABYTE)} MB used`
  if (maxBytes === 0) return ok(check, `${used}, no limit of its own`)
  const room = Math.max(0, Math.floor((maxBytes - usedBytes) / BYTES_A_REQUEST))
  const found = `${used} of ${Math.round(maxBytes / MEGABYTE)} MB, room for some ${room} requests more`
  const isRoomy = room >= ENOUGH_REQUESTS && usedBytes < NEARLY_FULL * maxBytes
  if (isRoomy) return ok(check, found)
  const todo = 'Raise maxmemory, or lower REQUEST_TTL: a full Redis refuses new requests.'
  if (room === 0) return { check, result: 'fail', found: `full: ${found}`, todo }
  return { check, result: 'warn', found: `nearly full: ${found}`, todo }
}

function persistence({ appendOnly }: RedisServerInfo): Finding {
  const check = 'Redis persistence'
  const todo = 'Set appendonly yes where requests must outlive it.'
  if (appendOnly === null) return unseen(check, 'whether requests outlive its restart', todo)
  if (appendOnly) return ok(check, 'requests outlive its restart (append-only file)')
  return { check, result: 'warn', found: 'requests may be lost with a restart of Redis', todo }
}

function slowLog({ slowLogMicroseconds: threshold }: RedisServerInfo): Finding {
  const check = 'Redis slow log'
  const todo = 'Set slowlog-log-slower-than -1.'
  if (threshold === null) return unseen(check, 'whether it keeps codes on their way', todo)
  if (threshold === -1) return ok(check, 'off: it would keep codes on their way')
  const found = `keeps commands of ${threshold} µs and more, with codes on their way among them`
  return { check, result: 'warn', found, todo }
}

function connections(nodes: readonly RedisServerInfo[]): Finding {
  const check = 'Redis connections'
  const seen = nodes.flatMap(({ connections: counts }) => (counts ? [counts] : []))
  if (seen.length < nodes.length)
    return unseen(
      check,
      'who is connected',
      'Give the user of Redis the right to CLIENT LIST, or look there yourself.',
    )
  const counted = Object.entries(KINDS).map(([kind, words]) => {
    const count = seen.reduce((sum, counts) => sum + (counts[kind] ?? 0), 0)
    return `${count} ${words}`
  })
  return ok(check, `${counted.join(', ')} (with those of this command)`)
}
