/** The list of failed requests. */
import { describe, expect, test } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import type { RequestRecord } from '../../../core/domain/record.ts'
import {
  createFailedRequests,
  FAILED_REQUEST_TTL_SECONDS,
  MAX_FAILED_REQUESTS,
} from '../../../core/store/failed-requests.ts'
import { keys } from '../../helpers/keys.ts'
import { aHash, aRecord, PRIVATE, REQUIRE_OTP, START } from '../../helpers/record.ts'
import { useRedis } from '../../helpers/redis.ts'
import { redisContents } from '../../helpers/redis-contents.ts'
import { useRequests } from '../../helpers/requests.ts'

const { client, store, given, applyCommand, foreignWrite } = await useRequests(await useRedis())
const failures = createFailedRequests({ redis: client })

const NOW = Date.now()
const WORDS = 'Ann Smith, 0912 345 6789, is not known to the portal'
const FAIL: Command = {
  type: 'fail',
  attempt: 1,
  error: { code: 'not_registered', message: WORDS, retryable: false },
}
/** A request that failed this many milliseconds ago. */
const aFailed = (agoMs: number, fields: Partial<RequestRecord> = {}): RequestRecord => ({
  ...aRecord(),
  status: 'failed',
  attempt: 2,
  error_data: { code: 'portal_down', message: WORDS, retryable: true },
  completed_at: new Date(NOW - agoMs).toISOString(),
  ...fields,
})
const kept = () => redisContents(client, '*{failed}*')

describe('a request that failed', () => {
  test('a failed request is listed with service, time, error code and attempts', async () => {
    const { record } = await given(START)
    const { record: failed } = await applyCommand(record.hash, FAIL)
    expect(await failures.find(record.hash)).toEqual({
      hash: record.hash,
      service_slug: record.service_slug,
      code: 'not_registered',
      message_key: 'not_registered',
      retryable: false,
      attempts: 1,
      created_at: record.created_at,
      failed_at: failed.completed_at,
      retried_as: null,
    })
  })

  test('the list of failed requests contains no submitted data, no submitter and no text of a bot', async () => {
    const { record } = await given(START)
    await applyCommand(record.hash, FAIL)
    await client.del(keys.record(record.hash))
    const contents = await kept()
    expect(contents).toContain(record.hash)
    for (const secret of [...Object.values(PRIVATE), 'Ann', '0912'])
      expect(contents, secret).not.toContain(secret)
  })

  test('a request failed by too many wrong codes is listed', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    for (let left = 3; left > 0; left--) {
      await applyCommand(record.hash, { type: 'submit_otp', otp: '000000' })
      await applyCommand(record.hash, { type: 'reject_otp', attempt: 1 })
    }
    expect(await failures.find(record.hash)).toMatchObject({ code: 'otp_attempts_exhausted', attempts: 1 })
  })

  test('a request failed by another program is listed on the next read', async () => {
    const { record } = await given(START)
    await foreignWrite(record.hash, {
      status: 'failed',
      error_data: { code: 'portal_closed', message: WORDS, retryable: true },
    })
    await store.read(record.hash)
    expect(await failures.find(record.hash)).toMatchObject({ code: 'portal_closed', retryable: true })
    expect(await kept()).not.toContain('Ann')
  })

  test('free text in place of an error code or a message key is not listed', async () => {
    for (const words of [WORDS, '09123456789', 'x'.repeat(100_000)]) {
      const { record } = await given(START)
      await foreignWrite(record.hash, {
        status: 'failed',
        message_key: words.slice(0, 200),
        error_data: { code: words, message: words, retryable: true },
      })
      await store.read(record.hash)
      expect(await failures.find(record.hash)).toMatchObject({ code: 'failed', message_key: 'failed' })
    }
  })

  test('a failed request is listed once, in its first form', async () => {
    const failed = aFailed(1000)
    const before = await failures.count()
    await failures.add(failed)
    await failures.add({ ...failed, attempt: 9, completed_at: new Date(NOW).toISOString() })
    expect(await failures.count()).toBe(before + 1)
    expect(await failures.find(failed.hash)).toMatchObject({
      attempts: 2,
      failed_at: failed.completed_at,
    })
  })

  test('failed requests are listed newest first', async () => {
    const [early, late] = [aFailed(-60_000), aFailed(-61_000)]
    await failures.add(late)
    await failures.add(early)
    expect((await failures.list()).slice(0, 2).map(({ hash }) => hash)).toEqual([late.hash, early.hash])
  })
})

describe('a request that has not failed', () => {
  test.each(['completed', 'cancelled', 'processing'] as const)(
    'a %s request is not listed as failed',
    async (status) => {
      const record = aFailed(0, { status })
      await failures.add(record)
      expect(await failures.find(record.hash)).toBeNull()
    },
  )

  test('a request that has not failed is not found in the list', async () => {
    expect(await failures.find(aHash())).toBeNull()
  })
})

describe('the claim of a retry', () => {
  test('the first claim of a retry wins, and all others return its hash', async () => {
    const failed = aFailed(0)
    await failures.add(failed)
    const claims = Array.from({ length: 20 }, () => aHash())
    const answers = await Promise.all(claims.map((as) => failures.claimRetry(failed.hash, as)))
    expect(new Set(answers).size).toBe(1)
    expect(claims).toContain(answers[0])
    expect(await failures.claimRetry(failed.hash, answers[0] as string)).toBe(answers[0])
    expect(await failures.find(failed.hash)).toMatchObject({ retried_as: answers[0] })
  })
})

describe('the limits of the list', () => {
  test('the list of failed requests has at most 1,000 entries; the oldest are removed with their retries', async () => {
    const oldest = aFailed(10 * 3_600_000)
    await failures.add(oldest)
    await failures.claimRetry(oldest.hash, aHash())
    await Promise.all(
      Array.from({ length: MAX_FAILED_REQUESTS }, (_, i) => failures.add(aFailed(3_600_000 - i))),
    )
    expect(await failures.count()).toBe(MAX_FAILED_REQUESTS)
    expect(await failures.find(oldest.hash)).toBeNull()
    expect(await kept()).not.toContain(oldest.hash)
    expect(await client.hlen(keys.failedEntries)).toBeLessThanOrEqual(MAX_FAILED_REQUESTS + 1)
  })

  test('failed requests are listed for a week, even if no other request fails', async () => {
    const old = aFailed(FAILED_REQUEST_TTL_SECONDS * 1000 - 60_000)
    await client.del(keys.failed, keys.failedEntries)
    await failures.add(old)
    expect(await failures.count()).toBe(1)
    const later = createFailedRequests({ redis: client, now: () => NOW + 120_000 })
    expect(await later.count()).toBe(0)
    expect(await later.list()).toEqual([])

    await later.add(aFailed(-120_000))
    expect(await kept()).not.toContain(old.hash)
    for (const key of [keys.failed, keys.failedEntries])
      expect(await client.ttl(key)).toBeGreaterThan(FAILED_REQUEST_TTL_SECONDS - 60)
  })
})
