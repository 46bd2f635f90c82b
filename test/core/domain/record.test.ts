import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toIso } from '../../../core/domain/iso-time.ts'
import { compare, isNewer, type RequestRecord, toPublicView } from '../../../core/domain/record.ts'
import { withWaiting } from '../../../core/domain/waiting.ts'
import {
  decodeRecord,
  decodeView,
  encodeRecord,
  encodeView,
  peekPosition,
} from '../../../core/records/codec.ts'
import { anyCommand, commandSequences, forwardOrBackMs, replay } from '../../helpers/random-commands.ts'
import { applyCommands, aRecord, progressTo, REQUIRE_OTP, START, T0 } from '../../helpers/record.ts'

const running = applyCommands(aRecord({ now: T0 }), [START, progressTo(40)])

describe('the public view', () => {
  it('the public view has exactly the fields of the contract and nothing private', () => {
    const view = toPublicView(running, T0)
    expect(Object.keys(view).sort()).toEqual(
      [
      'cancel_reason', 'hash', 'service_slug', 'status', 'step', 'progress', 'current_message', 'message_key', 'message_params', 'estimated_remaining_time', 'estimated_remaining_range', 'is_late',
      'requires_otp', 'is_completed', 'is_failed', 'is_cancelled', 'is_expired', 'steps', 'queue_position', 'queue_hold', 'bot_seen_at', 'attempt',
      'max_attempts', 'next_retry_at', 'otp_data', 'result_data', 'error_data', 'run_at', 'retry_of', 'version', 'created_at', 'started_at',
      'updated_at', 'completed_at', 'expires_at',
      ].sort(),
    ) // biome-ignore format: as in the contract
    expect(JSON.stringify(view)).not.toContain('private-')
  })

  it('the public view has no message key when the message has none', () => {
    const view = toPublicView(applyCommands(running, [progressTo(50, 'Words')]), T0)
    expect(view).toMatchObject({ current_message: 'Words' })
    expect(Object.keys(view).filter((field) => field.startsWith('message_'))).toEqual([])
  })

  it('the public view shows an open OTP prompt without its internal fields', () => {
    const asked = applyCommands(running, [REQUIRE_OTP])
    expect(Object.keys(toPublicView(asked, T0).otp_data ?? {}).sort()).toEqual([
      'attempts_left', 'charset', 'error', 'expires_at', 'id', 'kind', 'length', 'message', 'resend_available_at', 'resend_requested',
      'resends_left', 'sent_to',
    ]) // biome-ignore format: as in the contract
    expect(toPublicView(asked, T0).requires_otp).toBe(true)
    expect(
      toPublicView(applyCommands(asked, [{ type: 'submit_otp', otp: '483920' }]), T0).otp_data,
    ).toBeNull()
  })

  it('the public view shows a result only when completed and an error only when failed', () => {
    const odd = {
      ...running,
      result_data: { half: true },
      error_data: { code: 'x', message: 'X', retryable: true },
    }
    expect(toPublicView(odd, T0)).toMatchObject({ result_data: null, error_data: null })
    expect(toPublicView({ ...odd, status: 'completed' }, T0)).toMatchObject({
      result_data: { half: true },
      error_data: null,
    })
    expect(toPublicView({ ...odd, status: 'failed' }, T0)).toMatchObject({
      result_data: null,
      error_data: { code: 'x' },
    })
  })

  it('a record does not say where its request stands in the queue', () => {
    const view = toPublicView(aRecord({ now: T0 }), T0)
    expect(view).toMatchObject({ queue_position: null, queue_hold: null, estimated_remaining_range: null })
    expect(withWaiting(view, { position: 3, hold: null, range: [70, 90] })).toEqual({
      ...view,
      queue_position: 3,
      estimated_remaining_time: 90,
      estimated_remaining_range: [70, 90],
    })
  })

  it('a request is expired from the exact millisecond of expires_at', () => {
    const end = Date.parse(running.expires_at)
    expect([toPublicView(running, end - 1).is_expired, toPublicView(running, end).is_expired]).toEqual([
      false,
      true,
    ])
  })
})

describe('isNewer', () => {
  it('the newer state has the higher version, or the later time with equal versions', () => {
    const at = (version: number, updated_at: string) => ({ version, updated_at })
    expect(isNewer(at(2, 'a'), at(1, 'b'))).toBe(true)
    expect(isNewer(at(1, 'b'), at(1, 'a'))).toBe(true)
    expect(isNewer(at(1, 'a'), at(1, 'a'))).toBe(false)
    expect(isNewer(at(1, 'b'), at(2, 'a'))).toBe(false)
  })
})

describe('compare', () => {
  const known = { ...running, revision: 'a' }
  const later = { ...known, version: known.version + 1, revision: 'b' }

  it.each([
    ['the next version is newer', later, 'newer'],
    ['the same write is the same', known, 'same'],
    ['the view of the same write is the same', toPublicView(known, T0), 'same'],
    ['another write of the same version is a regression', { ...known, revision: 'b' }, 'regression'],
    [
      'the same version at another time is a regression',
      { ...known, updated_at: toIso(T0 + 9) },
      'regression',
    ],
    ['an older version is a regression', { ...later, version: 1 }, 'regression'],
    ['less progress is a regression', { ...later, progress: 39 }, 'regression'],
    ['an older attempt is a regression', { ...later, attempt: 0 }, 'regression'],
  ] as const)('%s', (_what, next, order) => expect(compare(known, next)).toBe(order))

  it('an unfinished state after a final one is a regression', () => {
    expect(compare({ ...known, status: 'failed' }, later)).toBe('regression')
  })
})

describe('the position of a view', () => {
  const FIELDS = ['hash', 'version', 'updated_at', 'status', 'progress', 'attempt', 'expires_at'] as const
  const positionOf = (record: RequestRecord) =>
    Object.fromEntries(FIELDS.map((field) => [field, record[field]]))

  it('the position read from the beginning of a view equals the one from the whole view', () => {
    fc.assert(
      fc.property(commandSequences(anyCommand(), forwardOrBackMs), (happened) => {
        for (const { after } of replay(happened))
          expect(peekPosition(encodeView(toPublicView(after, T0)))).toEqual(positionOf(after))
      }),
    )
  })

  it('the position of a view is read without parsing the rest', () => {
    const beginning = encodeView(toPublicView(running, T0)).split('"service_slug"')[0]
    expect(peekPosition(`${beginning}no JSON at all\t `)).toEqual(positionOf(running))
  })

  it('the position is found in a view whose fields are in another order', () => {
    const { hash, ...rest } = toPublicView(running, T0)
    expect(peekPosition(encodeView({ ...rest, hash }))).toMatchObject(positionOf(running))
  })

  it('a foreign view has no position', () => {
    expect(peekPosition(JSON.stringify(toPublicView(running, T0)))).toBeNull()
    expect(peekPosition(encodeRecord(running))).toBeNull()
    expect(peekPosition('nonsense\t ')).toBeNull()
  })
})

describe('the suffix of own writes', () => {
  const view = toPublicView(running, T0)

  it('own records and views carry the suffix and are valid JSON', () => {
    expect(decodeRecord(encodeRecord(running))).toEqual(running)
    expect(decodeView(encodeView(view))).toEqual(view)
    expect(JSON.parse(encodeRecord(running))).toEqual(JSON.parse(JSON.stringify(running)))
    expect(JSON.parse(encodeView(view))).toEqual(view)
  })

  it('the suffix is lost when another program writes the JSON', () => {
    expect(decodeRecord(JSON.stringify(JSON.parse(encodeRecord(running))))).toBeNull()
  })

  it('a published record does not pass for a view, whose suffix is another', () => {
    expect(decodeView(encodeRecord(running))).toBeNull()
    expect(decodeRecord(encodeView(view))).toBeNull()
  })

  it.each(['', 'nonsense', 'null', '17', '[]', '{}', '{"version":"7"}'])(
    'a suffix after %j does not make it an own record',
    (invalid) => {
      expect([decodeRecord(`${invalid}\t`), decodeView(`${invalid}\t `)]).toEqual([null, null])
    },
  )
})
