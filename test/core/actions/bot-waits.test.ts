import { describe, expect, it } from 'vitest'
import { createBotWaits } from '../../../core/actions/bot-waits.ts'
import type { Command } from '../../../core/domain/command.ts'
import { eventually } from '../../helpers/eventually.ts'
import { REQUIRE_OTP, START } from '../../helpers/record.ts'
import { useRedis } from '../../helpers/redis.ts'
import { useRequests } from '../../helpers/requests.ts'

const redis = await useRedis()
const { client, store, watcher, otpMailbox, given, applyCommand } = await useRequests(redis)
const parts = { redis: client, store, watcher, otpMailbox }
const waits = createBotWaits(parts)
const CODE = '483920'
const submit = (hash: string) => applyCommand(hash, { type: 'submit_otp', otp: CODE })
const present = { canResend: false, isLeft: () => false }

describe('the wait for an answer', () => {
  it('of two waits for the same request the newest receives the code', async () => {
    const ask: Command = { type: 'require_otp', attempt: 1, otp: { id: 'otp-1', resend: false } }
    const { hash } = (await given(START, ask)).record
    let looks = 0
    const counting = createBotWaits({
      ...parts,
      otpMailbox: {
        ...otpMailbox,
        take(of) {
          looks++
          return otpMailbox.take(of)
        },
      },
    })
    const over = new AbortController()
    const older = counting.answer({ hash, attempt: 1 }, { ...present, signal: over.signal })
    await eventually(() => expect(looks).toBe(1))
    const newer = counting.answer({ hash, attempt: 1 }, { ...present, signal: over.signal })
    await eventually(() => expect(looks).toBe(2))
    await submit(hash)
    expect(await newer).toEqual({ answer: CODE })
    over.abort()
    expect(await older).toBeNull()
    expect(watcher.size).toBe(0)
  })

  it('a code that was taken for a caller that has left is kept for the next wait', async () => {
    const { hash } = (await given(START, REQUIRE_OTP)).record
    await submit(hash)
    const signal = AbortSignal.abort()
    expect(await waits.answer({ hash, attempt: 1 }, { ...present, signal, isLeft: () => true })).toBeNull()
    expect(await waits.answer({ hash, attempt: 1 }, { ...present, signal })).toEqual({ answer: CODE })
  })
})
