/**
 * The names of everything in Redis. The record, the list and the channel are the outside contract; what belongs to a
 * request beside its record carries the record's key in braces, so that in a Cluster both lie in the same slot and one
 * script may touch both.
 */
import { createHash } from 'node:crypto'

const RECORD = 'local_request:'
const CHANNEL = 'local_request_updates:'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url')

export const keys = {
  /** The record: a string of JSON. */
  record: (hash: string): string => RECORD + hash,
  /** The one-time code on its way to the bot; taken out once. */
  otpBox: (hash: string): string => `local_request:otp:{${RECORD}${hash}}`,
  /** What we wrote last, beside the record for a moment: who overwrites the record does not touch this. */
  guard: (hash: string): string => `local_request:guard:{${RECORD}${hash}}`,
  /** Hashes, newest first, bounded. */
  list: 'local_requests_list',
  channel: (hash: string): string => CHANNEL + hash,
  /** The channel on which a process hears itself, to know that it hears. */
  echo: (id: string): string => `local_request_echo:${id}`,
  /** The hash in a channel's name. */
  hashOfChannel: (channel: string): string => channel.slice(CHANNEL.length),
  /** What a caller's Idempotency-Key stands for. Neither caller nor key can be read from the name. */
  idempotency: (caller: string, key: string): string =>
    `local_request:idempotency:${sha256(`${caller}\n${key}`)}`,
  /** The first answer to it. */
  idempotencyAnswer: (caller: string, key: string): string => `${keys.idempotency(caller, key)}:answer`,
  rateLimit: (what: string): string => `local_request:rate:${what}:`,
  /** Hashes by when somebody should look after them, a sorted set. */
  deadlines: 'local_request:deadlines',
  /** Set again and again by workers that take jobs; its absence means nobody does. */
  workersAlive: 'local_request:workers_alive',
} as const
