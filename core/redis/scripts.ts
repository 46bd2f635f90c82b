/**
 * The Lua scripts, each as a function with named fields. The header of each script says what it does; its keys and
 * arguments are positional, and this is the only file that puts them in order.
 */
import type { Runs } from './lua-scripts.ts'

/** @returns 1 when stored, else the present value ('WRONGTYPE' for no string), null when the record is missing */
export const commitRequest = (
  redis: Runs<'runCommitRequest'>,
  { recordKey, otpKey, backupKey, timelineKey, deletedKeys, before, value, expiresAt, channels, view, backupUntil, timelineEntry, otp }: {
    recordKey: string
    otpKey: string
    backupKey: string
    timelineKey: string
    /** Keys of the request that are deleted with the write. */
    deletedKeys: readonly string[]
    /** The value that was read. */
    before: string | Buffer
    value: string
    /** Milliseconds since 1970, as all times here. */
    expiresAt: number
    /** '' for one that is not used. */
    channels: { plain: string; sharded: string }
    view: string
    backupUntil: number
    /** The entry to add to the timeline, of which `keep` are kept; with `keep` 0 it replaces the last one. */
    timelineEntry?: { entry: string; keep: number }
    /** A code to store, or null to delete the stored one; left out, it stays. */
    otp?: { code: string; expiresAt: number } | null
  },
): Promise<1 | string | null> =>
  redis.runCommitRequest(
    4 + deletedKeys.length, recordKey, otpKey, backupKey, timelineKey, ...deletedKeys,
    before, value, expiresAt, channels.plain, view, backupUntil, timelineEntry?.entry ?? '', timelineEntry?.keep ?? 0,
    channels.sharded,
    ...(otp ? [otp.code, otp.expiresAt] : otp === null ? [''] : []),
  ) // biome-ignore format: one line of keys

/** @returns for each record whether it was created */
export async function createRequests(
  redis: Runs<'runCreateRequests'>,
  {
    listKey,
    deadlinesKey,
    listLength,
    listTtlSeconds,
    requests,
  }: {
    listKey: string
    deadlinesKey: string
    listLength: number
    listTtlSeconds: number
    requests: readonly { key: string; hash: string; value: string; expiresAt: number; firstCheckAt: number }[]
  },
): Promise<boolean[]> {
  const created = await redis.runCreateRequests(
    2 + requests.length, listKey, deadlinesKey, ...requests.map(({ key }) => key),
    listLength, listTtlSeconds,
    ...requests.flatMap(({ hash, value, expiresAt, firstCheckAt }) => [hash, value, expiresAt, firstCheckAt]),
  ) // biome-ignore format: one line of keys
  return created.map((one) => one === 1)
}

/** @returns for each submitter the round, from 1, and the position of a job that is added to it next, 1 is the first */
export async function assignRounds(
  redis: Runs<'runAssignRounds'>,
  {
    prioritizedKey,
    roundsKey,
    waitKey,
    minScore,
    maxScore,
    basePriority,
    maxRound,
    ttlMs,
    sessionsPerRound,
    submitters,
  }: {
    prioritizedKey: string
    roundsKey: string
    waitKey: string
    /** The scores of this urgency: from `minScore`, below `maxScore`. */
    minScore: number
    maxScore: number
    basePriority: number
    maxRound: number
    /** How long rounds are kept while no job of this urgency waits. */
    ttlMs: number
    /** Sessions of one network that share a round. */
    sessionsPerRound: number
    submitters: readonly string[]
  },
): Promise<{ round: number; position: number }[]> {
  const answer = await redis.runAssignRounds(
    prioritizedKey, roundsKey, waitKey,
    minScore, maxScore, basePriority, maxRound, ttlMs, sessionsPerRound, ...submitters,
  ) // biome-ignore format: one line of keys
  return submitters.map((_, i) => ({ round: answer[2 * i] as number, position: answer[2 * i + 1] as number }))
}

export const addFailure = (
  redis: Runs<'runAddFailure'>,
  {
    indexKey,
    entriesKey,
    hash,
    failedAt,
    entry,
    maxEntries,
    ttlMs,
  }: {
    indexKey: string
    entriesKey: string
    hash: string
    failedAt: number
    entry: string
    maxEntries: number
    ttlMs: number
  },
): Promise<0 | 1> => redis.runAddFailure(indexKey, entriesKey, hash, failedAt, entry, maxEntries, ttlMs)

/** @returns 0 when reserved, else when the next reservation is possible */
export const reserveInWindow = (
  redis: Runs<'runReserveInWindow'>,
  {
    key,
    id,
    at,
    now,
    windowMs,
    maxPerHour,
  }: {
    key: string
    /** The same id reserves once. */
    id: string
    /** When it counts: later than `now` for a scheduled request. */
    at: number
    now: number
    windowMs: number
    maxPerHour: number
  },
): Promise<number> => redis.runReserveInWindow(key, id, at, now, windowMs, maxPerHour)

export const addNewest = (
  redis: Runs<'runAddNewest'>,
  { key, score, member, maxMembers, ttlMs }: {
    key: string; score: number; member: string; maxMembers: number; ttlMs: number
  },
): Promise<1> => redis.runAddNewest(key, score, member, maxMembers, ttlMs) // biome-ignore format: short

/** @returns for each member 1 added, 2 was a member before, 0 limit reached */
export const reserveWithinLimit = (
  redis: Runs<'runReserveWithinLimit'>,
  { key, removeUntil, maxMembers, expires, members }: {
    key: string
    /** Members with a score up to this are removed first. */
    removeUntil: number
    maxMembers: number
    /** Whether the set expires with its last member. */
    expires: boolean
    members: readonly { score: number; hash: string }[]
  },
): Promise<(0 | 1 | 2)[]> =>
  redis.runReserveWithinLimit(
    key, removeUntil, maxMembers, expires ? 1 : 0, ...members.flatMap(({ score, hash }) => [score, hash]),
  ) // biome-ignore format: one line of keys

/** @returns due members, the oldest first, scheduled again for `nextAt` */
export const takeDue = (
  redis: Runs<'runTakeDueBuffer'>,
  { key, now, limit, nextAt }: { key: string; now: number; limit: number; nextAt: number },
): Promise<Buffer[]> => redis.runTakeDueBuffer(key, now, limit, nextAt)

/** @returns those of the keys that exist and never expire */
export const findEndless = (redis: Runs<'runFindEndless'>, keys: readonly string[]): Promise<string[]> =>
  redis.runFindEndless(keys.length, ...keys)

/** @returns for each record key 1 when its record is pending, else 0 */
export const findPending = (
  redis: Runs<'runFindPending'>,
  recordKeys: readonly string[],
): Promise<(0 | 1)[]> => redis.runFindPending(recordKeys.length, ...recordKeys)

/** @returns for each id the position of its job, 1 is next; 0 when it is not prioritized */
export const findPositions = (
  redis: Runs<'runFindPositions'>,
  { waitKey, prioritizedKey, ids }: { waitKey: string; prioritizedKey: string; ids: readonly string[] },
): Promise<number[]> => redis.runFindPositions(waitKey, prioritizedKey, ...ids)

/** @returns `ok`, `older` when another definition stands, `full`, or `owner {name}` when another one owns the slug */
export const announceService = (
  redis: Runs<'runAnnounceService'>,
  { keys, slug, owner, definition, fingerprint, address, bot, now, silentUntil, expiredUntil, maxServices, maxBots, ttlMs, changeId }: {
    keys: { all: string; bots: string; seen: string; older: string; version: string }
    slug: string
    owner: string
    definition: string
    fingerprint: string
    /** Empty for a definition without a bot. */
    address: string
    /** What is stored for the bot. */
    bot: string
    now: number
    silentUntil: number
    expiredUntil: number
    maxServices: number
    maxBots: number
    ttlMs: number
    /** Unique. */
    changeId: string
  },
): Promise<string> =>
  redis.runAnnounceService(
    keys.all, keys.bots, keys.seen, keys.older, keys.version,
    slug, owner, definition, fingerprint, address, bot, now, silentUntil, expiredUntil, maxServices, maxBots, ttlMs, changeId,
  ) // biome-ignore format: one line of keys

/** @returns the index of the chosen bot; -1 when none has room */
export const reserveBot = async (
  redis: Runs<'runReserveBot'>,
  { chosenKey, hash, now, leaseUntil, bots }: {
    chosenKey: string
    hash: string
    now: number
    leaseUntil: number
    bots: readonly { key: string; address: string; concurrency: number }[]
  },
): Promise<number> =>
  (await redis.runReserveBot(
    1 + bots.length, chosenKey, ...bots.map(({ key }) => key),
    now, leaseUntil, hash, ...bots.flatMap(({ address, concurrency }) => [address, concurrency]),
  )) - 1 // biome-ignore format: one line of keys

/** @returns whether the service was closed or opened */
export const noteEnd = async (
  redis: Runs<'runNoteEnd'>,
  { controlsKey, streakKey, field, code, closeAfter, closed, streakSeconds }: {
    controlsKey: string
    streakKey: string
    /** Of the service in the hash of controls. */
    field: string
    /** Empty for a completed request. */
    code: string
    closeAfter: number
    /** The value of a closed service. */
    closed: string
    streakSeconds: number
  },
): Promise<boolean> =>
  (await redis.runNoteEnd(controlsKey, streakKey, field, code, closeAfter, closed, streakSeconds)) === 1 // biome-ignore format: one line of keys
