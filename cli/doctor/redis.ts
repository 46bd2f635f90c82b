/** Checks version, memory, persistence and settings of Redis. */
import { describeInEnglish } from '../../core/presentation/describe-fault.ts'
import { NEARLY_FULL, tryToWrite } from '../../core/queue/readiness.ts'
import { findMissingRights } from '../../core/redis/rights.ts'
import { getServerInfo, type RedisServerInfo } from '../../core/redis/server-info.ts'
import { sealsData } from '../../core/runtime/data-box.ts'
import type { Installation } from '../installation.ts'
import { duration, plural } from '../terminal.ts'
import { type Finding, notVisible, ok } from './check-result.ts'

const MIN_VERSION = [6, 2] as const
/** Record, job, scheduled check and limits of one request, without its result. */
const BYTES_PER_REQUEST = 2_600
/** Room for fewer is a warning: a busy half hour needs more. */
const MIN_ROOM = 10_000
const MEGABYTE = 1024 * 1024

const KINDS = {
  'fail-fast': 'of servers',
  patient: 'of workers and bots',
  subscriber: 'for subscriptions',
  blocking: 'waiting for jobs',
}

const INFO_ADVICE =
  'Grant the user of Redis the right to INFO. Where a managed Redis has none, look at the pages of its provider.'

export const checkFacts = async ({ redis }: Installation): Promise<Finding[]> => {
  const nodes = await getServerInfo(redis)
  return [
    ...nodes.flatMap((info) => [version(info), policy(info), memory(info), persistence(info), slowLog(info)]),
    connections(nodes),
  ]
}

export async function checkRoundTrip({ redis }: Installation): Promise<Finding[]> {
  const startedAt = performance.now()
  await redis.ping()
  return [ok('Redis round trip', `${(performance.now() - startedAt).toFixed(1)} ms`)]
}

export async function checkWrites({ redis }: Installation): Promise<Finding[]> {
  const check = 'Redis writes'
  const refusal = await tryToWrite(redis)
  if (refusal === null) return [ok(check, 'are accepted')]
  const todo = 'New requests are refused, and running ones cannot end: fix this first.'
  return [{ check, result: 'fail', found: describeInEnglish([refusal]), todo }]
}

export async function checkSealing({ config }: Installation): Promise<Finding[]> {
  const check = 'Data in Redis'
  if (sealsData(config.connections.dataKeys))
    return [ok(check, 'what people type, codes and results are sealed')]
  const found = 'can be read by everyone who reads Redis, its files or its replicas'
  if (!config.production) return [ok(check, found)]
  return [{ check, result: 'warn', found, todo: 'Set DATA_KEY, see docs/SECURITY.md.' }]
}

export async function checkRights({ redis }: Installation): Promise<Finding[]> {
  const check = 'Redis rights'
  const missing = await findMissingRights(redis, redis.names, 'cli')
  if (missing.length === 0) return [ok(check, 'enough for every command')]
  const todo = 'Grant them to the user of Redis: docs/SECURITY.md, "Rights in Redis", has the ACL lines.'
  return [{ check, result: 'fail', found: `no right to ${missing.join(', ')}`, todo }]
}

export async function checkRequests({ failures, deadlineIndex }: Installation): Promise<Finding[]> {
  const unfinished = await deadlineIndex.count()
  const failed = await failures.count()
  const found = `${plural(unfinished, 'request')} unfinished, ${failed} failed in the last ${duration(7 * 86_400)}`
  return [ok('Requests', found)]
}

function version({ version: found }: RedisServerInfo): Finding {
  const check = 'Redis version'
  if (found === null) return notVisible(check, 'its version', INFO_ADVICE)
  const [major = 0, minor = 0] = found.split('.').map(Number)
  const isOld = major < MIN_VERSION[0] || (major === MIN_VERSION[0] && minor < MIN_VERSION[1])
  if (!isOld) return ok(check, found)
  return { check, result: 'fail', found, todo: `Install ${MIN_VERSION.join('.')} or newer.` }
}

function policy({ evictionPolicy: found }: RedisServerInfo): Finding {
  const check = 'Redis when full'
  const todo = 'Set maxmemory-policy noeviction: CONFIG SET maxmemory-policy noeviction, and in redis.conf.'
  if (found === null) return notVisible(check, 'its maxmemory-policy', todo)
  if (found === 'noeviction') return ok(check, 'refuses writes and loses nothing (noeviction)')
  return { check, result: 'fail', found: `evicts requests (${found})`, todo }
}

function memory({ memory: reported }: RedisServerInfo): Finding {
  const check = 'Redis memory'
  if (reported === null) return notVisible(check, 'how full it is', INFO_ADVICE)
  const { usedBytes, maxBytes } = reported
  const used = `${Math.round(usedBytes / MEGABYTE)} MB used`
  if (maxBytes === 0) return ok(check, `${used}, no maxmemory set`)
  const room = Math.max(0, Math.floor((maxBytes - usedBytes) / BYTES_PER_REQUEST))
  const found = `${used} of ${Math.round(maxBytes / MEGABYTE)} MB, room for about ${room} more requests`
  const hasRoom = room >= MIN_ROOM && usedBytes < NEARLY_FULL * maxBytes
  if (hasRoom) return ok(check, found)
  const todo = 'Raise maxmemory, or lower REQUEST_TTL: a full Redis refuses new requests.'
  if (room === 0) return { check, result: 'fail', found: `full: ${found}`, todo }
  return { check, result: 'warn', found: `nearly full: ${found}`, todo }
}

function persistence({ appendOnly }: RedisServerInfo): Finding {
  const check = 'Redis persistence'
  const todo = 'Set appendonly yes if requests must survive a restart of Redis.'
  if (appendOnly === null) return notVisible(check, 'whether requests survive its restart', todo)
  if (appendOnly) return ok(check, 'requests survive its restart (append-only file)')
  return { check, result: 'warn', found: 'requests may be lost with a restart of Redis', todo }
}

function slowLog({ slowLogMicroseconds: threshold }: RedisServerInfo): Finding {
  const check = 'Redis slow log'
  const todo = 'Set slowlog-log-slower-than -1.'
  if (threshold === null) return notVisible(check, 'whether it records codes', todo)
  if (threshold === -1) return ok(check, 'off: it would record codes')
  const found = `records commands of ${threshold} µs and more, including codes`
  return { check, result: 'warn', found, todo }
}

function connections(nodes: readonly RedisServerInfo[]): Finding {
  const check = 'Redis connections'
  const visible = nodes.flatMap(({ connections: counts }) => (counts ? [counts] : []))
  if (visible.length < nodes.length)
    return notVisible(
      check,
      'who is connected',
      'Grant the user of Redis the right to CLIENT LIST. Where a managed Redis has none, look at the pages of its provider.',
    )
  const counted = Object.entries(KINDS).map(([kind, words]) => {
    const count = visible.reduce((sum, counts) => sum + (counts[kind] ?? 0), 0)
    return `${count} ${words}`
  })
  return ok(check, `${counted.join(', ')} (including those of this command)`)
}
