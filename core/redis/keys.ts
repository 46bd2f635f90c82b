/**
 * The names of all keys and channels. Record, list and channel are the outside contract; everything else begins with
 * `halfway:`, so that `KEYS local_request:*` lists requests and nothing else. KEY_PREFIX comes before every name.
 *
 * What belongs to one request carries the record's key in braces: in a Cluster both are in the same slot, so that one
 * script may use both.
 */

import { hash as digest } from 'node:crypto'
import type { ClusterChannels } from '../runtime/redis-target.ts'

export interface KeyOptions {
  /** KEY_PREFIX. Installations with different prefixes share a Redis without seeing each other. */
  keyPrefix?: string
  /** Only a Cluster has sharded ones. */
  clusterChannels?: ClusterChannels
}

export type Keys = ReturnType<typeof createKeys>

/** @param isCluster puts all keys of a queue in one slot, which BullMQ's scripts need, and each queue in its own */
export function createKeys(
  { keyPrefix = '', clusterChannels = 'plain' }: KeyOptions,
  { isCluster = false } = {},
) {
  const record = (hash: string): string => `${keyPrefix}local_request:${hash}`
  const own = (what: string): string => `${keyPrefix}halfway:${what}`
  const idempotency = (caller: string, key: string): string =>
    own(`idempotency:${digest('sha256', `${caller}\n${key}`, 'base64url')}`)
  return {
    /** What every other name begins with. */
    own: own(''),
    ...createQueueKeys(`${keyPrefix}halfway`, isCluster),

    /** The record: a string of JSON. */
    record,
    /** Hashes, newest first, bounded. */
    list: `${keyPrefix}local_requests_list`,
    ...createChannelNames(keyPrefix, record, isCluster ? clusterChannels : 'plain'),
    ...createRequestKeys((what, hash) => own(`${what}:{${record(hash)}}`)),
    /** A channel on which a process receives its own probes. */
    subscriberCheck: (id: string): string => own(`subscriber_check:${id}`),

    /** The claim of a caller's Idempotency-Key. Neither caller nor key can be read from the name. */
    idempotency,
    /** The first response to it. */
    idempotencyAnswer: (caller: string, key: string): string => `${idempotency(caller, key)}:answer`,
    /** Why a form of this sender was refused (`form-refusals.ts`). */
    refusal: (slot: string): string => own(`refusal:${slot}`),
    /** Set when a request was removed before its time. The hash cannot be read from the name. */
    removed: (hash: string): string => own(`removed:${digest('sha256', hash, 'base64url')}`),
    /** Hashes of the newest requests of a browser session by when they were created, a sorted set. */
    session: (sessionId: string): string => own(`session:${digest('sha256', sessionId, 'base64url')}`),
    /** The code that a link opens (`core/store/code-links.ts`). The link cannot be made from the name. */
    codeLink: (token: string): string => own(`code_link:${digest('sha256', token, 'base64url')}`),
    /** Digests of the open view-only links of a request (`server/view-links.ts`), a hash. The hash cannot be read from the name. */
    viewLinks: (hash: string): string => own(`view_links:${digest('sha256', hash, 'base64url')}`),
    rateLimit: (what: string): string => own(`rate:${what}:`),
    /** Hashes by the time of their next check, a sorted set. */
    deadlines: own('deadlines'),
    /** Hashes of requests with push subscriptions by the time of their next look, a sorted set. */
    pushes: own('pushes'),
    /** Hashes of unfinished requests of a submitter or a queue, by when their records expire; a sorted set. */
    unfinished: (of: string): string => own(`unfinished:${of}`),
    /** Set for an hour when a request named a client address through a proxy that TRUST_PROXY does not name. */
    untrustedProxy: own('untrusted_proxy'),
    /** The heartbeats of workers that consume any queue, and this one. */
    workersAlive: own('workers_alive'),
    workersOf: (queue: string): string => own(`workers_alive:${queue}`),
    /** The heartbeat of the worker processes of this host. */
    workersOnHost: (host: string): string => own(`workers_on:${host}`),
    /** The signs of life of worker processes (`core/store/worker-processes.ts`), a hash. */
    workerProcesses: own('worker_processes'),
    services: createServiceKeys(own),
    controls: createControlKeys(own),
    /** How long the last runs of a service took, a list. */
    runTimes: (slug: string): string => own(`run_times:${slug}`),
    /** Requests that ended in this minute since 1970, counted by service and status; a hash. */
    ends: (minute: number): string => own(`ends:${minute}`),
    /** Written to check whether Redis accepts writes. */
    writeProbe: own('write_probe'),
    /** The installation's secret (`installation-secret.ts`). */
    secret: own('secret'),
    /** Shows whether a process has the installation's DATA_KEY (`data-key.ts`). */
    dataKey: own('data_key'),
    /** Where version 0.1 stored it; read for one release, so that sessions stay valid. */
    oldSecret: `${keyPrefix}local_request:secret`,
    /** Codes sent or typed wrong in the last hour for one person, who is a digest; a sorted set. */
    subject: (count: string, digest: string): string => own(`subject:${count}:${digest}`),
    /** Hashes of failed requests by when they failed, a sorted set; the entry of each, a hash. */
    failed: own('{failed}'),
    failedEntries: own('{failed}:entries'),
    /** Set while the cookie of an operator who has signed out could still be sent. It cannot be made from the name. */
    signedOut: (session: string): string => own(`signed_out:${digest('sha256', session, 'base64url')}`),
    /** The audit log (`core/store/audit-log.ts`), a stream. */
    audit: own('audit'),
    /** Keyed digests of the settings with which processes of this kind started last, by name; a hash. */
    settings: (process: string): string => own(`settings:${process}`),
  } as const
}

const createChannelNames = (
  keyPrefix: string,
  record: (hash: string) => string,
  channels: ClusterChannels,
) => {
  const channel = (what: string): string => `${keyPrefix}local_request_updates:${what}`
  return {
    channel,
    /** Those that are used; '' for the other. A script of the record may publish on the sharded one: it is in its slot. */
    channelsOf: (hash: string): { plain: string; sharded: string } => ({
      plain: channels === 'sharded' ? '' : channel(hash),
      sharded: channels === 'plain' ? '' : channel(`{${record(hash)}}`),
    }),
    /** Where a bridge carries the messages of a request, in NATS, which takes a dot as the end of a part. */
    natsSubject: (hash: string): string => `${keyPrefix.replaceAll('.', '%2E')}halfway.updates.${hash}`,
  }
}

const createQueueKeys = (queues: string, isCluster: boolean) => ({
  /** What all keys of BullMQ begin with. */
  queues,
  /** BullMQ's prefix of one queue. */
  queue: (name: string): string => (isCluster ? `${queues}:{${name}}` : queues),
})

/** What operators set at run time; in a Cluster all in one slot. */
const createControlKeys = (own: (what: string) => string) => ({
  /** Held queues, limits and closed services (`core/store/operator-controls.ts`), a hash. */
  all: own('{controls}'),
  /** The code and the number of a service's last failures in a row, a hash. */
  failures: (slug: string): string => own(`{controls}:failures:${slug}`),
  /** Set for a minute when a service that failures have closed tries a request. */
  trial: (slug: string): string => own(`{controls}:trial:${slug}`),
})

/** What belongs to a request, beside its record. */
const createRequestKeys = (beside: (what: string, hash: string) => string) => ({
  /** The code, or another answer, on its way to the bot: a string, taken once (GETDEL). */
  otp: (hash: string): string => beside('otp', hash),
  /** A code that came before the question (`core/store/early-codes.ts`). */
  earlyOtp: (hash: string): string => beside('early_otp', hash),
  /** The picture of a question (`core/store/question-images.ts`). */
  image: (hash: string): string => beside('image', hash),
  /** The resends that the bot was informed of, each named by the prompt's id and a number: a hash. */
  resendTaken: (hash: string): string => beside('resend_taken', hash),
  /** When its bot was last known to be alive, milliseconds since 1970: a string. */
  heartbeat: (hash: string): string => beside('heartbeat', hash),
  /** The names and types of its files by id, a hash. */
  files: (hash: string): string => beside('files', hash),
  /** The content of a file: a string. */
  file: (hash: string, id: string): string => `${beside('file', hash)}:${id}`,
  /** What each subscribed browser knows of it, by the address at its push service; a hash. */
  push: (hash: string): string => beside('push', hash),
  /** What its viewers saw, and when; a list, the oldest first. */
  timeline: (hash: string): string => beside('timeline', hash),
  /** The keys of the responses that contain its view, a list. */
  responses: (hash: string): string => beside('responses', hash),
  /** The key of the link to its code on another device: a string. */
  linked: (hash: string): string => beside('linked', hash),
  /** The last own write, for a minute: a program that overwrites the record does not touch this. */
  backup: (hash: string): string => beside('backup', hash),
})

/** What bots have announced (`core/store/service-registry.ts`); in a Cluster all in one slot. */
const createServiceKeys = (own: (what: string) => string) => ({
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
})
