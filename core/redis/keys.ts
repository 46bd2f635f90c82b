/**
 * The names of everything in Redis that belongs to one installation. The record, the list and the channel are the outside
 * contract and begin with KEY_PREFIX, which is empty unless it is set; what else there is carries QUEUE_PREFIX as well, so
 * that installations which share a Redis and differ in either of the two keep out of each other's way. What belongs to a
 * request beside its record carries the record's key in braces, so that in a Cluster both lie in the same slot and one
 * script may touch both.
 */

import { createHash } from 'node:crypto'
import { DEFAULT_QUEUE_PREFIX } from '../runtime/env-schema.ts'

const RECORD = 'local_request:'
const CHANNEL = 'local_request_updates:'
const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url')

export interface Prefixes {
  keyPrefix?: string
  queuePrefix?: string
}

export type Keys = ReturnType<typeof createKeys>

/** @param isCluster all keys of the queues must lie in one slot: braces see to that */
export function createKeys(
  { keyPrefix = '', queuePrefix = DEFAULT_QUEUE_PREFIX }: Prefixes,
  { isCluster = false } = {},
) {
  const record = (hash: string): string => `${keyPrefix}${RECORD}${hash}`
  const isDefault = queuePrefix === DEFAULT_QUEUE_PREFIX
  const own = (what: string): string => `${keyPrefix}${RECORD}${isDefault ? '' : `${queuePrefix}:`}${what}`
  const idempotency = (caller: string, key: string): string =>
    own(`idempotency:${sha256(`${caller}\n${key}`)}`)
  const queues = keyPrefix === '' ? queuePrefix : `${keyPrefix}:${queuePrefix}`
  return {
    /** Stands in the records of every installation but one with the default QUEUE_PREFIX. */
    installation: isDefault ? undefined : queuePrefix,
    /** BullMQ's prefix. */
    queues: isCluster ? `{${queues}}` : queues,

    /** The record: a string of JSON. */
    record,
    /** The one-time code on its way to the bot; taken out once. */
    otp: (hash: string): string => `${keyPrefix}${RECORD}otp:{${record(hash)}}`,
    /** What we wrote last, beside the record for a moment: who overwrites the record does not touch this. */
    backup: (hash: string): string => `${keyPrefix}${RECORD}guard:{${record(hash)}}`,
    /** Hashes, newest first, bounded. */
    list: `${keyPrefix}local_requests_list`,
    channel: (hash: string): string => `${keyPrefix}${CHANNEL}${hash}`,
    /** The channel on which a process hears itself, to know that it hears. */
    subscriberCheck: (id: string): string => `${keyPrefix}local_request_echo:${id}`,

    /** What a caller's Idempotency-Key stands for. Neither caller nor key can be read from the name. */
    idempotency,
    /** The first answer to it. */
    idempotencyAnswer: (caller: string, key: string): string => `${idempotency(caller, key)}:answer`,
    /** Why a form of this sender was refused (`refusals.ts`). */
    refusal: (place: string): string => own(`refusal:${place}`),
    rateLimit: (what: string): string => own(`rate:${what}:`),
    /** Hashes by when somebody should look after them, a sorted set. */
    deadlines: own('deadlines'),
    /** Hashes of unfinished requests, by when their records are over, a sorted set: of a submitter, or of a queue. */
    unfinished: (of: string): string => own(`unfinished:${of}`),
    /** Set for a while when a request has named a client's address, and nobody trusts who said so. */
    untrustedProxy: own('untrusted_proxy'),
    /** Set again and again by workers that take jobs; its absence means nobody does. */
    workersAlive: own('workers_alive'),
    /** The same for one queue. */
    workersOf: (queue: string): string => own(`workers_alive:${queue}`),
    /** Written to see whether Redis takes writes. */
    writeProbe: own('write_probe'),
    /** The installation's secret (`installation-secret.ts`). */
    secret: own('secret'),
    /** What one person was sent or typed in the last hour, by a digest of who it is; a sorted set. */
    subject: (count: string, digest: string): string => own(`subject:${count}:${digest}`),
    /** Hashes of failed requests by when they failed, a sorted set; and what is kept of each, a hash beside it. */
    failed: own('{failed}'),
    failedEntries: own('{failed}:entries'),
  } as const
}
