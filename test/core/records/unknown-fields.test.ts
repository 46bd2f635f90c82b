/** A rolling deploy: fields that a newer version stores in a record survive the writes of this one, and are not shown. */
import { describe, expect, it } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import { type RequestRecord, toPublicView } from '../../../core/domain/record.ts'
import { encodeRecord } from '../../../core/records/codec.ts'
import { createRequestStore } from '../../../core/store/request-store.ts'
import { keys } from '../../helpers/keys.ts'
import { applyCommands, aRecord, REQUIRE_OTP, START, TTL_SECONDS } from '../../helpers/record.ts'
import { useRedis } from '../../helpers/redis.ts'
import { useRequests } from '../../helpers/requests.ts'
import { creditScoreRating } from '../../helpers/services.ts'

const { client } = await useRequests(await useRedis())
/** A process with an empty cache. */
const another = () => createRequestStore({ redis: client, ttlSeconds: TTL_SECONDS })

const MARK = 'from-a-newer-version'
const NEWER = { region: MARK, audit: { by: [MARK] } }

/** A record as a newer version may write it, with more fields at every level. */
function newer(record: RequestRecord): RequestRecord {
  const add = <T>(part: T): T => (part ? { ...part, newer: MARK } : part)
  return {
    ...record,
    ...NEWER,
    steps: record.steps.map(add),
    otp_data: add(record.otp_data),
    error_data: add(record.error_data),
  } as RequestRecord
}
const write = (hash: string, json: string) => client.setex(keys.record(hash), 60, json)
const stored = async (hash: string) => JSON.parse((await client.get(keys.record(hash))) as string)
const countIn = (value: unknown): number => JSON.stringify(value).split(MARK).length - 1

async function applyCommand(hash: string, command: Command): Promise<RequestRecord> {
  const outcome = await another().apply(hash, command)
  if (!outcome.ok) throw new Error(outcome.rejection)
  return outcome.stored.record
}

const at = (progress: number, step: string): Command => ({ type: 'progress', attempt: 1, progress, step })
const startedRecord = (...changes: Command[]) =>
  newer(applyCommands(aRecord({ service: creditScoreRating }), [START, ...changes]))

describe('fields that this version does not know', () => {
  it.each<[string, Command]>([
    ['progress', at(30, 'captcha_solving')],
    ['the next attempt', { type: 'start', attempt: 2 }],
    ['a question', REQUIRE_OTP],
    [
      'a retry',
      {
        type: 'retry',
        attempt: 1,
        nextRetryAt: Date.now(),
        error: { code: 'x', message: 'X', retryable: true },
      },
    ],
    ['a result', { type: 'complete', attempt: 1, result: 1 }],
    ['a failure', { type: 'fail', error: { code: 'x', message: 'X', retryable: false } }],
    ['a cancel', { type: 'cancel', by: 'user' }],
  ])('unknown fields of the record and its steps survive %s', async (_name, command) => {
    const record = startedRecord(at(10, 'authentication'))
    await write(record.hash, encodeRecord(record))
    await applyCommand(record.hash, command)
    const now = await stored(record.hash)
    expect(now).toMatchObject(NEWER)
    expect(countIn(now.steps)).toBe(record.steps.length)
  })

  it('unknown fields of a prompt survive a wrong code and a resend', async () => {
    const record = startedRecord(REQUIRE_OTP)
    await write(record.hash, encodeRecord(record))
    for (const command of [
      { type: 'submit_otp', otp: '483920' },
      { type: 'reject_otp', attempt: 1 },
    ] as Command[])
      await applyCommand(record.hash, command)
    expect((await stored(record.hash)).otp_data).toMatchObject({ newer: MARK, attempts_left: 2 })
  })

  it('unknown fields of waiting steps survive', async () => {
    const record = newer(aRecord({ service: creditScoreRating }))
    await write(record.hash, encodeRecord(record))
    await applyCommand(record.hash, START)
    expect(countIn((await stored(record.hash)).steps)).toBe(record.steps.length)
  })

  it.each<[string, Command[]]>([
    ['runs', [at(10, 'authentication')]],
    ['asks for a code', [REQUIRE_OTP]],
    ['has failed', [{ type: 'fail', error: { code: 'x', message: 'X', retryable: false } }]],
  ])('unknown fields survive a foreign write of a request which %s', async (_name, changes) => {
    const record = startedRecord(...changes)
    await write(
      record.hash,
      JSON.stringify({ ...JSON.parse(encodeRecord(record)), current_message: 'Theirs' }),
    )
    const read = (await another().read(record.hash))?.record as RequestRecord
    expect(read).toMatchObject({ ...NEWER, current_message: 'Theirs' })
    expect(countIn(await stored(record.hash))).toBe(countIn(record))
    // A process that has cached the request before adopts the fields, too.
    await write(record.hash, JSON.stringify({ ...(await stored(record.hash)), region: `${MARK}-2` }))
    expect((await another().read(record.hash))?.record).toMatchObject({ region: `${MARK}-2` })
  })

  it.each<[string, Command[]]>([
    ['runs', [at(10, 'authentication')]],
    ['asks for a code', [REQUIRE_OTP]],
    ['has failed', [{ type: 'fail', error: { code: 'x', message: 'X', retryable: false } }]],
  ])('the view of a request that %s has no unknown fields', async (_name, changes) => {
    const record = startedRecord(...changes)
    expect(countIn(toPublicView(record, Date.now()))).toBe(0)
    await write(record.hash, JSON.stringify(record))
    const read = (await another().read(record.hash))?.record as RequestRecord
    expect(countIn(toPublicView(read, Date.now()))).toBe(0)
  })

  it('unknown fields of more than 16 kB together are dropped', async () => {
    const record = startedRecord()
    await write(record.hash, JSON.stringify({ ...record, blob: 'x'.repeat(17_000) }))
    const read = (await another().read(record.hash))?.record as RequestRecord
    expect(read.status).toBe('processing')
    expect(await stored(record.hash)).not.toHaveProperty('blob')
  })
})

describe('a status that this version does not know', () => {
  const paused = (record: RequestRecord) =>
    encodeRecord({ ...record, status: 'paused' as RequestRecord['status'] })

  it('a record with an unknown status shows the last known state', async () => {
    const record = startedRecord()
    await write(record.hash, encodeRecord(record))
    const store = another()
    await store.read(record.hash)
    await write(record.hash, paused(record))
    expect((await store.read(record.hash))?.record.status).toBe('processing')
  })

  it('a record with an unknown status is unreadable when no state is known', async () => {
    const record = startedRecord()
    await write(record.hash, paused(record))
    const refused = { code: 'unreadable_record' }
    await expect(another().read(record.hash)).rejects.toMatchObject(refused)
    await expect(another().apply(record.hash, at(30, 'captcha_solving'))).rejects.toMatchObject(refused)
    expect((await stored(record.hash)).status).toBe('paused')
  })
})
