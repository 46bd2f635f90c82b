import { describe, expect, it } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import { createRequestStore } from '../../../core/store/request-store.ts'
import { eventually } from '../../helpers/eventually.ts'
import { aHash, REQUIRE_OTP, START, TTL_SECONDS } from '../../helpers/record.ts'
import { onRealRedis, useRedis } from '../../helpers/redis.ts'
import { useRequests } from '../../helpers/requests.ts'

const { client, store, otpMailbox, given, applyCommand, subscriptions } = await useRequests(await useRedis())
const CODE = '483920'

const REPLACE: Command = { type: 'require_otp', attempt: 1, otp: { id: 'otp-2' } }
const handOver = (hash: string, otp = CODE) => store.apply(hash, { type: 'submit_otp', otp })
/** Resolves once the bot has subscribed. */
const waits = (hash: string) => eventually(async () => expect(await subscriptions(hash)).toBe(1))
const leftAlone = (hash: string) => eventually(async () => expect(await subscriptions(hash)).toBe(0))

describe('a bot that waits for a code', () => {
  it('a waiting bot receives a code when it is submitted, without polling', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    const waiting = otpMailbox.waitFor(record.hash)
    await waits(record.hash)
    await handOver(record.hash)
    expect(await waiting).toEqual({ code: CODE })
    await leftAlone(record.hash)
  })

  it('a code submitted before the wait is received immediately', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    await handOver(record.hash)
    expect(await otpMailbox.waitFor(record.hash)).toEqual({ code: CODE })
  })

  it('a code submitted while the wait starts is received', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    const [answer] = await Promise.all([otpMailbox.waitFor(record.hash), handOver(record.hash)])
    expect(answer).toEqual({ code: CODE })
  })

  it('of two codes submitted concurrently the accepted one is received', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    const waiting = otpMailbox.waitFor(record.hash)
    const outcomes = await Promise.all([handOver(record.hash, '111111'), handOver(record.hash, '222222')])
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1)
    expect(await waiting).toEqual({ code: outcomes[0]?.ok ? '111111' : '222222' })
  })

  it('of two waiting bots only one receives the code', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    const enough = new AbortController()
    const waiting = [1, 2].map(() =>
      otpMailbox.waitFor(record.hash, { signal: enough.signal }).catch(() => 'nothing'),
    )
    await waits(record.hash)
    await handOver(record.hash)
    expect(await Promise.race(waiting)).toEqual({ code: CODE })
    expect(await otpMailbox.take(record.hash)).toBeNull()
    enough.abort()
    expect(await Promise.all(waiting)).toContain('nothing')
  })

  it('a bot can wait again after a wrong code', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    await handOver(record.hash, '000000')
    expect(await otpMailbox.waitFor(record.hash)).toEqual({ code: '000000' })
    await applyCommand(record.hash, { type: 'reject_otp', attempt: 1 })
    const again = otpMailbox.waitFor(record.hash)
    await handOver(record.hash)
    expect(await again).toEqual({ code: CODE })
  })

  it('waitFor returns otp_expired when the code has expired', async () => {
    const { record } = await given(START, {
      type: 'require_otp',
      attempt: 1,
      otp: { id: 'x', expires_in: 0.2 },
    })
    expect(await otpMailbox.waitFor(record.hash)).toEqual({ refused: 'otp_expired' })
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(record.otp_data?.expires_at as string))
  })

  it('waitFor returns already_final when the request ends during the wait', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    const waiting = otpMailbox.waitFor(record.hash)
    await waits(record.hash)
    await applyCommand(record.hash, { type: 'cancel', by: 'user' })
    expect(await waiting).toEqual({ refused: 'already_final' })
    await leftAlone(record.hash)
  })

  it('waitFor returns request_not_found for a missing request', async () => {
    expect(await otpMailbox.waitFor(aHash())).toEqual({ refused: 'request_not_found' })
  })

  it('waitFor rejects with the reason of its signal, before and during the wait', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    const reason = new Error('cancelled')
    await expect(otpMailbox.waitFor(record.hash, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const stop = new AbortController()
    const waiting = otpMailbox.waitFor(record.hash, { signal: stop.signal })
    await waits(record.hash)
    stop.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    await leftAlone(record.hash)
  })

  it('onExpired is called once when the code has expired, and the wait continues for a resend', async () => {
    const { record } = await given(START, {
      ...REQUIRE_OTP,
      otp: { id: 'otp-1', expires_in: 0.05 },
    } as Command)
    let notified = 0
    const waiting = otpMailbox.waitFor(record.hash, {
      onExpired: async () => void notified++,
      onResend: async () => void (await applyCommand(record.hash, REPLACE)),
    })
    await eventually(() => expect(notified).toBe(1))
    expect(await store.apply(record.hash, { type: 'submit_otp', otp: CODE })).toMatchObject({
      rejection: 'otp_expired',
    })
    const later = createRequestStore({
      redis: client,
      ttlSeconds: TTL_SECONDS,
      now: () => Date.now() + 31_000,
    })
    expect((await later.apply(record.hash, { type: 'resend_otp' })).ok).toBe(true)
    await eventually(async () => expect((await store.read(record.hash))?.record.otp_data?.id).toBe('otp-2'))
    await handOver(record.hash)
    expect(await waiting).toEqual({ code: CODE })
    expect(notified).toBe(1)
  })

  it('a resend requested before the wait is reported to onResend', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    const later = createRequestStore({
      redis: client,
      ttlSeconds: TTL_SECONDS,
      now: () => Date.now() + 31_000,
    })
    expect((await later.apply(record.hash, { type: 'resend_otp' })).ok).toBe(true)
    const waiting = otpMailbox.waitFor(record.hash, {
      onResend: async () => void (await applyCommand(record.hash, REPLACE)),
    })
    await eventually(async () => expect((await store.read(record.hash))?.record.otp_data?.id).toBe('otp-2'))
    await handOver(record.hash)
    expect(await waiting).toEqual({ code: CODE })
  })

  it('onResend is called once for each requested resend', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    let sent = 0
    const onResend = async () => {
      sent++
      await applyCommand(record.hash, { type: 'require_otp', attempt: 1, otp: { id: `otp-${sent + 1}` } })
    }
    const waiting = otpMailbox.waitFor(record.hash, { onResend })
    await waits(record.hash)
    for (const wanted of [1, 2]) {
      const later = createRequestStore({
        redis: client,
        ttlSeconds: TTL_SECONDS,
        now: () => Date.now() + wanted * 65_000,
      })
      expect((await later.apply(record.hash, { type: 'resend_otp' })).ok).toBe(true)
      await eventually(() => expect(sent).toBe(wanted))
    }
    await handOver(record.hash)
    expect(await waiting).toEqual({ code: CODE })
    expect(sent).toBe(2)
  })

  it.runIf(onRealRedis)('a code submitted while the connection is broken is received', async () => {
    const { record } = await given(START, REQUIRE_OTP)
    const waiting = otpMailbox.waitFor(record.hash)
    await waits(record.hash)
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await handOver(record.hash)
    expect(await waiting).toEqual({ code: CODE })
  })
})
