/** Limits of addresses, sessions, subjects and queues. */
import { z } from 'zod'

const count = (min: 0 | 1, max: number = Number.MAX_SAFE_INTEGER) => z.coerce.number().int().min(min).max(max)

export const limitSettings = {
  SUBMITS_PER_MINUTE: count(1).default(60),
  BATCHES_PER_MINUTE: count(1).default(20),
  ACTIONS_PER_MINUTE: count(1).default(60),
  SOCKETS_PER_ADDRESS: count(0).default(100),
  STREAMS_PER_ADDRESS: count(0).default(50),
  STATUS_READS_PER_MINUTE: count(0).default(12_000),
  SUBJECT_CODES_PER_HOUR: count(1).default(5),
  SUBJECT_WRONG_CODES_PER_HOUR: count(1).default(10),
  MAX_UNFINISHED_PER_SUBMITTER: count(1).default(1_000),
  MAX_UNFINISHED_PER_QUEUE: count(1).default(10_000),
  MAX_UNFINISHED: count(1).default(20_000),
  CLOSE_AFTER_FAILURES: count(0, 1_000_000).default(0),
}

export interface ServerLimits {
  readonly submitsPerMinute: number
  /** Submits of up to 1,000 requests each. */
  readonly batchesPerMinute: number
  readonly actionsPerMinute: number
  /** Open at once, per address and server process; 0 for any number. Streams are event streams and long polls. */
  readonly socketsPerAddress: number
  readonly streamsPerAddress: number
  /** Per address and server process; 0 for any number. */
  readonly statusReadsPerMinute: number
  /** Unfinished requests, including scheduled ones: per session or address, per queue, in total. */
  readonly maxUnfinishedPerSubmitter: number
  readonly maxUnfinishedPerQueue: number
  readonly maxUnfinished: number
  /** How many failures with one code in a row close a service; 0 for never. */
  readonly closeAfterFailures: number
  /** Per subject (the person whose codes are requested), over all requests. */
  readonly subjectLimits: { readonly codesPerHour: number; readonly wrongCodesPerHour: number }
}

export const toLimits = (s: z.infer<z.ZodObject<typeof limitSettings>>): ServerLimits => ({
  submitsPerMinute: s.SUBMITS_PER_MINUTE,
  batchesPerMinute: s.BATCHES_PER_MINUTE,
  actionsPerMinute: s.ACTIONS_PER_MINUTE,
  socketsPerAddress: s.SOCKETS_PER_ADDRESS,
  streamsPerAddress: s.STREAMS_PER_ADDRESS,
  statusReadsPerMinute: s.STATUS_READS_PER_MINUTE,
  maxUnfinishedPerSubmitter: s.MAX_UNFINISHED_PER_SUBMITTER,
  maxUnfinishedPerQueue: s.MAX_UNFINISHED_PER_QUEUE,
  maxUnfinished: s.MAX_UNFINISHED,
  closeAfterFailures: s.CLOSE_AFTER_FAILURES,
  subjectLimits: {
    codesPerHour: s.SUBJECT_CODES_PER_HOUR,
    wrongCodesPerHour: s.SUBJECT_WRONG_CODES_PER_HOUR,
  },
})
