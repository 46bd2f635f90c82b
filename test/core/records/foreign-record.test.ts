import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import { isFinal, type RequestRecord, STATUSES, toPublicView } from '../../../core/domain/record.ts'
import { transition } from '../../../core/domain/state-machine.ts'
import { encodeRecord } from '../../../core/records/codec.ts'
import { normalizeForeignRecord, parseForeignRecord } from '../../../core/records/foreign-record.ts'
import { PNG, SVG } from '../../helpers/pictures.ts'
import { applyCommands, aRecord, PRIVATE, progressTo, START, T0, TTL_SECONDS } from '../../helpers/record.ts'
import { catalog } from '../../helpers/services.ts'

const rules = { now: T0, ttlSeconds: TTL_SECONDS }
const DAY = 86_400_000
const iso = (ms: number) => new Date(ms).toISOString()

const running = applyCommands(aRecord({ now: T0 }), [START, { ...progressTo(40), step: 'second' } as Command])
const completed = applyCommands(running, [{ type: 'complete', attempt: 1, result: { score: 712 } }])

/** Normalizes a record after another program has changed some of its fields. */
function touched(record: object, changes: Record<string, unknown>, now = T0): RequestRecord {
  const parsed = parseForeignRecord(JSON.stringify({ ...record, ...changes }), undefined, catalog)
  if (!parsed) throw new Error('not readable as a record')
  return normalizeForeignRecord(parsed, { ...rules, now })
}

/** JSON of any shape, and of the shape of a record with some invalid fields. */
const anyTime = fc.oneof(
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.integer({ min: -DAY, max: DAY }).map((ms) => iso(T0 + ms)),
)
const anyValue = fc.oneof(
  fc.jsonValue(),
  anyTime,
  fc.maxSafeInteger(),
  fc.double(),
  fc.constantFrom(...STATUSES),
)
const names = Object.keys(running) as (keyof RequestRecord)[]
const withInvalidFields = (record: RequestRecord) =>
  fc
    .dictionary(fc.constantFrom(...names, '__proto__', 'constructor', 'x'), anyValue)
    .map((changes) => JSON.stringify({ ...record, ...changes }))
const anyForeign = fc.oneof(
  withInvalidFields(running),
  withInvalidFields(completed),
  withInvalidFields(aRecord({ now: T0 })),
)

describe('what another program wrote', () => {
  it('parseForeignRecord never throws, whatever the string is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), anyForeign), (json) => void parseForeignRecord(json)),
    )
  })

  it.each([
    ['nothing', ''],
    ['no JSON', '{"status":'],
    ['null', 'null'],
    ['a number', '17'],
    ['a list', '[{"hash":"x","status":"pending"}]'],
    ['a list of records', JSON.stringify([running])],
    ['an object without a status', JSON.stringify({ ...running, status: undefined })],
    ['an unknown status', JSON.stringify({ ...running, status: 'exploded' })],
    ['a resurrected record', '{"progress":50}'],
    ['only a prototype', '{"__proto__":{"hash":"x","status":"pending"}}'],
    ['ten megabytes', JSON.stringify({ ...running, result_data: 'x'.repeat(10 * 1024 * 1024) })],
  ])('parseForeignRecord returns null for %s', (_what, json) => {
    expect(parseForeignRecord(json)).toBeNull()
  })

  it('a foreign record cannot change a prototype', () => {
    const json = `{"__proto__":{"polluted":1},"hash":"x","status":"pending","request_data":{"__proto__":{"polluted":1}}}`
    const parsed = parseForeignRecord(json)
    expect(parsed?.status).toBe('pending')
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
    expect((parsed as { polluted?: number }).polluted).toBeUndefined()
  })

  it('a foreign record with invalid fields is normalized to a valid record', () => {
    fc.assert(
      fc.property(anyForeign, (json) => {
        const parsed = parseForeignRecord(json)
        if (!parsed) return
        const record = normalizeForeignRecord(parsed, rules)
        expect(Number.isInteger(record.progress)).toBe(true)
        expect(record.progress === 100).toBe(record.status === 'completed')
        expect(record.version).toBe(parsed.version + 1)
        expect(record.completed_at !== null).toBe(isFinal(record.status))
        expect(Date.parse(record.expires_at)).toBeGreaterThan(0)
        expect(Date.parse(record.expires_at)).toBeLessThanOrEqual(T0 + 60_000 + TTL_SECONDS * 1000)
        const rest = toPublicView(record, T0).estimated_remaining_time
        expect(rest).toBeGreaterThanOrEqual(0)
        expect(rest).toBeLessThanOrEqual(record.estimated_duration)
        if (isFinal(record.status)) return
        const change = { type: 'complete', attempt: record.attempt, result: 1 } as const
        expect(transition(record, change, rules).ok).toBe(true)
        transition(record, { type: 'start', attempt: record.attempt + 1 }, rules)
        transition(record, { type: 'progress', attempt: record.attempt, progress: 50, step: 'third' }, rules)
      }),
      { numRuns: 500 },
    )
  })

  it('the view of a foreign record contains nothing private', () => {
    const secret = fc.constantFrom(PRIVATE.request, PRIVATE.session, PRIVATE.user)
    const secrets = fc.record({
      request_data: fc.oneof(secret, fc.dictionary(fc.string(), fc.oneof(secret, fc.array(secret)))),
      user_id: secret,
      session_id: secret,
      remote_addr: secret,
    })
    fc.assert(
      fc.property(anyForeign, secrets, (json, private_) => {
        const parsed = parseForeignRecord(JSON.stringify({ ...JSON.parse(json), ...private_ }))
        if (parsed)
          expect(JSON.stringify(toPublicView(normalizeForeignRecord(parsed, rules), T0))).not.toContain(
            'private-',
          )
      }),
      { numRuns: 300 },
    )
  })
})

describe('a record that another program wrote back', () => {
  it('a foreign record becomes the next version with the current time', () => {
    const later = touched(running, { progress: 60, step: 'third' }, T0 + 5000)
    expect(later).toMatchObject({ version: running.version + 1, progress: 60, updated_at: iso(T0 + 5000) })
    expect(later.steps.map(({ state }) => state)).toEqual(['done', 'done', 'current'])
  })

  it('a foreign record with lower progress keeps the highest progress', () => {
    expect(touched(running, { progress: 10 }).progress).toBe(40)
  })

  it.each([
    [900, 99],
    [100, 99],
    [-3, 40],
    ['57', 57],
    [57.9, 57],
    [null, 40],
    ['much', 40],
    [[], 40],
  ])('a foreign record with the progress %j shows %i', (progress, shown) => {
    expect(touched(running, { progress }).progress).toBe(shown)
  })

  it('a foreign record with completed_at stays final, even with another status', () => {
    for (const status of ['pending', 'processing', 'otp_required'])
      expect(touched(completed, { status })).toMatchObject({
        status: 'completed',
        progress: 100,
        completed_at: completed.completed_at,
      })
    const cancelled = applyCommands(running, [{ type: 'cancel', by: 'user' }])
    expect(touched(cancelled, { status: 'processing', progress: 80 }).status).toBe('cancelled')
    const failed = applyCommands(running, [
      { type: 'fail', error: { code: 'x', message: 'X', retryable: false } },
    ])
    expect(touched(failed, { status: 'processing' }).status).toBe('failed')
  })

  it('a foreign record that completes gets a new lifetime, with or without its own completed_at', () => {
    for (const completed_at of [null, iso(T0 + 60_000)]) {
      const done = touched(
        running,
        { status: 'completed', result_data: { score: 1 }, completed_at },
        T0 + 60_000,
      )
      expect(done).toMatchObject({
        progress: 100,
        completed_at: iso(T0 + 60_000),
        expires_at: iso(T0 + 60_000 + TTL_SECONDS * 1000),
      })
      expect(done.steps.every(({ state }) => state === 'done')).toBe(true)
    }
  })

  it('a final foreign record that is written again does not live longer', () => {
    expect(touched(completed, { current_message: 'Again' }, T0 + 600_000).expires_at).toBe(
      completed.expires_at,
    )
  })

  it('a foreign record keeps its expires_at, limited to a full lifetime', () => {
    expect(touched(running, { progress: 50 }, T0 + 600_000).expires_at).toBe(running.expires_at)
    expect(touched(running, { expires_at: iso(T0 + 365 * DAY) }).expires_at).toBe(
      iso(T0 + TTL_SECONDS * 1000),
    )
  })

  it('a foreign record with expires_at equal to created_at gets a full lifetime', () => {
    expect(touched(running, { expires_at: running.created_at }).expires_at).toBe(iso(T0 + TTL_SECONDS * 1000))
  })

  it('a foreign record with updated_at in the far future gets the current time', () => {
    const record = touched(running, { updated_at: '9999-12-31T23:59:59.000Z' })
    expect(record).toMatchObject({ updated_at: iso(T0), expires_at: running.expires_at })
  })

  it('a foreign record of a clock slightly ahead keeps its time', () => {
    expect(touched(running, { updated_at: iso(T0 + 2000) }).updated_at).toBe(iso(T0 + 2000))
  })

  it.each([
    [
      { kind: 'text', max_length: 20 },
      { kind: 'text', max_length: 20 },
    ],
    [
      { kind: 'confirm', confirm_label: 'Go on' },
      { kind: 'confirm', confirm_label: 'Go on', resend_available_at: null },
    ],
    [
      { kind: 'image', image: PNG },
      { kind: 'image', image: PNG },
    ],
    [
      { kind: 'image', has_image: true },
      { kind: 'image', has_image: true },
    ],
    [{ kind: null }, { kind: 'code' }],
    // What cannot be shown in its own form is asked as a text.
    [{ kind: 'choice' }, { kind: 'text', max_length: 200 }],
    [{ kind: 'image', image: SVG }, { kind: 'text' }],
    [{ kind: 'image' }, { kind: 'text' }],
    [{ kind: 'video' }, { kind: 'text' }],
    [{ kind: ['text'] }, { kind: 'text' }],
  ])('a foreign prompt %j is read as %j', (otp_data, expected) => {
    expect(touched(running, { status: 'otp_required', otp_data }).otp_data).toMatchObject(expected)
  })

  it('a foreign record with otp_required and no otp_data gets a default prompt', () => {
    expect(touched(running, { status: 'otp_required' }).otp_data).toMatchObject({
      charset: 'digits',
      attempts_left: 3,
    })
  })

  it('a foreign record with the prompt of a public view keeps all its fields', () => {
    const question = {
      id: 'sms-1',
      length: 5,
      charset: 'digits',
      sent_to: '0912***4567',
      message: 'Type the code.',
      expires_at: iso(T0 + 90_000),
      resend_available_at: iso(T0 + 45_000),
      resends_left: 4,
      resend_requested: true,
      attempts_left: 2,
      error: { code: 'otp_rejected', message: 'Not that one.' },
    }
    const record = touched(running, { status: 'otp_required', otp_data: question })
    expect(toPublicView(record, T0).otp_data).toEqual({ ...question, kind: 'code', resends_left: 5 })
    expect(record.otp_data).not.toHaveProperty('resends_left')
  })

  it.each([
    ['length', 'six', null],
    ['length', -1, null],
    ['sent_to', 912, null],
    ['message', {}, null],
    ['expires_at', 'soon', iso(T0 + 120_000)],
    ['resend_available_at', 30, iso(T0 + 30_000)],
    ['attempts_left', 'two', 3],
    ['error', 'wrong', null],
  ])('a foreign prompt with an invalid %s, %s, keeps its other fields', (field, wrong, instead) => {
    const question = { id: 'sms-1', length: 5, sent_to: '0912***4567', message: 'Type it.', attempts_left: 2 }
    const record = touched(running, { status: 'otp_required', otp_data: { ...question, [field]: wrong } })
    expect(record.otp_data).toMatchObject({ ...question, [field]: instead })
  })

  it.each([
    ['The portal is closed.', { code: 'failed', message: 'The portal is closed.' }],
    [['The portal is closed.', 'Really.'], { code: 'failed', message: 'The portal is closed.' }],
    [[{ code: 'portal_closed', message: 'Closed.' }], { code: 'portal_closed', message: 'Closed.' }],
    [503, { code: 'failed', message: '503' }],
    [{ message: 'The portal is closed.' }, { code: 'failed', message: 'The portal is closed.' }],
    [
      { code: 503, message: 'Closed.' },
      { code: '503', message: 'Closed.' },
    ],
    [{ code: 'portal_closed' }, { code: 'portal_closed', message: 'Half way there' }],
    [
      { code: 'portal_closed', message: '  ' },
      { code: 'portal_closed', message: 'Half way there' },
    ],
    [
      { code: {}, message: [] },
      { code: 'failed', message: 'Half way there' },
    ],
    [[], { code: 'failed', message: 'Half way there' }],
    [true, { code: 'failed', message: 'Half way there' }],
    ['', { code: 'failed', message: 'Half way there' }],
  ])('a foreign error_data of %j is normalized', (error_data, expected) => {
    const record = touched(running, { status: 'failed', current_message: 'Half way there', error_data })
    expect(record.error_data).toEqual({ ...expected, retryable: false })
  })

  it('a foreign error without any message shows its code', () => {
    const record = touched(running, {
      status: 'failed',
      current_message: ' ',
      error_data: { code: 'portal_closed' },
    })
    expect(record.error_data?.message).toBe('portal_closed')
  })

  it.each([101, 5000])('a foreign record with %i steps gets the steps of its service', (count) => {
    const steps = Array.from({ length: count }, (_, i) => ({
      id: `step-${i}`, state: 'waiting', started_at: null, finished_at: null,
    })) // biome-ignore format: one step
    const record = touched(running, { service_slug: 'credit-score-rating', step: 'captcha_solving', steps })
    expect(record.steps.map(({ id, state }) => `${id} ${state}`)).toEqual([
      'authentication done', 'captcha_solving current', 'sending_otp waiting', 'waiting_otp waiting', 'verifying_otp waiting',
      'processing_result waiting',
    ]) // biome-ignore format: the steps of the service
  })

  it('a foreign error without a message gets the message of the request', () => {
    expect(touched(running, { status: 'failed', current_message: 'Portal is closed' }).error_data).toEqual({
      code: 'failed', message: 'Portal is closed', retryable: false,
    }) // biome-ignore format: one error
  })

  it('a foreign record with little more than a status is accepted', () => {
    const record = touched({}, { hash: 'req_0123456789abcdef', status: 'processing', progress: 20 })
    expect(record).toMatchObject({ progress: 20, version: 1, attempt: 0, created_at: iso(T0), steps: [] })
    expect(encodeRecord(record)).toContain('"status":"processing"')
  })
})
