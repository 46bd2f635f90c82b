/**
 * The names of all keys and channels. Record, list and channel are the outside contract; everything else begins with
 * `halfway:`, so that `KEYS local_request:*` lists requests and nothing else. KEY_PREFIX comes before every name.
 *
 * What belongs to one request carries the record's key in braces: in a Cluster both are in the same slot, so that one
 * script may use both.
 */

import { hash as digest } from 'node:crypto'

export interface KeyOptions {
  /** KEY_PREFIX. Installations with different prefixes share a Redis without seeing each other. */
  keyPrefix?: string
}

export type Keys = ReturnType<typeof createKeys>

/** @param isCluster puts all keys of BullMQ in one slot, which its scripts need */
export function createKeys({ keyPrefix = '' }: KeyOptions, { isCluster = false } = {}) {
  const record = (hash: string): string => `${keyPrefix}local_request:${hash}`
  const own = (what: string): string => `${keyPrefix}halfway:${what}`
  const idempotency = (caller: string, key: string): string =>
    own(`idempotency:${digest('sha256', `${caller}\n${key}`, 'base64url')}`)
  const queues = `${keyPrefix}halfway`
  return {
    /** What every other name begins with. */
    own: own(''),
    /** BullMQ's prefix. */
    queues: isCluster ? `{${queues}}` : queues,

    /** The record: a string of JSON. */
    record,
    /** Hashes, newest first, bounded. */
    list: `${keyPrefix}local_requests_list`,
    channel: (hash: string): string => `${keyPrefix}local_request_updates:${hash}`,

    ...createRequestKeys((what, hash) => own(`${what}:{${record(hash)}}`)),
    /** A channel on which a process receives its own probes. */
    subscriberCheck: (id: string): string => own(`subscriber_check:${id}`),

    /** The claim of a caller's Idempotency-Key. Neither caller nor key can be read from the name. */
    idempotency,
    /** The first response to it. */
    idempotencyAnswer: (caller: string, key: string): string => `${idempotency(caller, key)}:answer`,
    /** Why a form of this sender was refused (`form-refusals.ts`). */
    refusal: (slot: string): string => own(`refusal:${slot}`),
    rateLimit: (what: string): string => own(`rate:${what}:`),
    /** Hashes by the time of their next check, a sorted set. */
    deadlines: own('deadlines'),
    /** Hashes of unfinished requests of a submitter or a queue, by when their records expire; a sorted set. */
    unfinished: (of: string): string => own(`unfinished:${of}`),
    /** Set for an hour when a request named a client address through a proxy that TRUST_PROXY does not name. */
    untrustedProxy: own('untrusted_proxy'),
    /** The heartbeat of workers that consume any queue. */
    workersAlive: own('workers_alive'),
    /** The heartbeat of workers that consume this queue. */
    workersOf: (queue: string): string => own(`workers_alive:${queue}`),
    /** What bots have announced (`core/store/service-registry.ts`); in a Cluster all in one slot. */
    services: {
      /** Definitions and their owners, a hash. */
      all: own('{services}:all'),
      /** Bots by service and address, a hash. */
      bots: own('{services}:bots'),
      /** The same by when they were announced last, a sorted set. */
      seen: own('{services}:seen'),
      /** Replaced definitions by when they were announced last, a sorted set. */
      older: own('{services}:older'),
      /** The id of the latest change. */
      version: own('{services}:version'),
      /** When each bot was chosen last, a sorted set of addresses. */
      chosen: own('{services}:chosen'),
      /** The requests that a bot runs by when their leases end, a sorted set of hashes. */
      running: (address: string): string => own(`{services}:running:${address}`),
    },
    /** Written to check whether Redis accepts writes. */
    writeProbe: own('write_probe'),
    /** The installation's secret (`installation-secret.ts`). */
    secret: own('secret'),
    /** Where version 0.1 stored it; read for one release, so that sessions stay valid. */
    oldSecret: `${keyPrefix}local_request:secret`,
    /** Codes sent or typed wrong in the last hour for one person, who is a digest; a sorted set. */
    subject: (count: string, digest: string): string => own(`subject:${count}:${digest}`),
    /** Hashes of failed requests by when they failed, a sorted set. */
    failed: own('{failed}'),
    /** The entry of each, a hash. */
    failedEntries: own('{failed}:entries'),
  } as const
}

/** What belongs to a request, beside its record. */
const createRequestKeys = (beside: (what: string, hash: string) => string) => ({
  /** The code, or another answer, on its way to the bot: a string, taken once (GETDEL). */
  otp: (hash: string): string => beside('otp', hash),
  /** A code that came before the question (`core/store/early-codes.ts`). */
  earlyOtp: (hash: string): string => beside('early_otp', hash),
  /** The picture of a question (`core/store/question-images.ts`). */
  image: (hash: string): string => beside('image', hash),
  /** Set once the bot was informed of this resend, which the prompt's id and a number name. */
  resendTaken: (hash: string, resend: string): string => `${beside('resend_taken', hash)}:${resend}`,
  /** When its bot was last known to be alive, milliseconds since 1970: a string. */
  heartbeat: (hash: string): string => beside('heartbeat', hash),
  /** The names and types of its files by id, a hash. */
  files: (hash: string): string => beside('files', hash),
  /** The content of a file: a string. */
  file: (hash: string, id: string): string => `${beside('file', hash)}:${id}`,
  /** The last own write, for a minute: a program that overwrites the record does not touch this. */
  backup: (hash: string): string => beside('backup', hash),
})
