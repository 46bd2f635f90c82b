/** Records as they are written down: in short, and read as if they were not. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { creditScoreRating } from '../../../core/catalog/credit-score-rating.ts'
import { allServices } from '../../../core/catalog/index.ts'
import { threeProviderInquiry } from '../../../core/catalog/three-provider-inquiry.ts'
import type { Command } from '../../../core/domain/command.ts'
import { createRecord } from '../../../core/domain/create-record.ts'
import { type RequestRecord, type Step, toPublicView } from '../../../core/domain/record.ts'
import { decodeRecord, encodeRecord } from '../../../core/records/codec.ts'
import { fromCompact, toCompact } from '../../../core/records/compact-record.ts'
import { normalizeForeignRecord, parseForeignRecord } from '../../../core/records/foreign-record.ts'
import { createRequestStore } from '../../../core/store/request-store.ts'
import { keys } from '../../helpers/names.ts'
import { anyChange, anyClock, events, live } from '../../helpers/random-lives.ts'
import { afterChanges, aRecord, SERVICE, START, T0, TTL_SECONDS } from '../../helpers/record.ts'
import { useRedis } from '../../helpers/redis.ts'
import { useRequests } from '../../helpers/requests.ts'

const { client, store, given, foreignWrite } = await useRequests(await useRedis())

/** What programs of others may count on. */
const CONTRACT = [
  'hash', 'service_slug', 'user_id', 'session_id', 'status', 'step', 'progress', 'current_message', 'estimated_duration',
  'request_data', 'otp_data', 'result_data', 'error_data', 'attempt', 'max_attempts', 'version', 'created_at', 'started_at',
  'updated_at', 'completed_at', 'expires_at',
] // biome-ignore format: as in the contract

const written = (record: object): Record<string, unknown> => JSON.parse(JSON.stringify(record))
const packed = (record: RequestRecord): Record<string, unknown> => written(toCompact(record))

const at = (progress: number, step: string): Command => ({ type: 'progress', attempt: 1, progress, step })
const scoring = (changes: readonly Command[] = [], now = T0): RequestRecord =>
  afterChanges(aRecord({ now, service: creditScoreRating }), changes, now + 28_546)
/** Two steps done, the third at work, and each began in its own second. */
const underWay = [at(10, 'authentication'), at(20, 'captcha_solving'), at(30, 'sending_otp')].reduce(
  (record, change, i) => afterChanges(record, [change], T0 + 29_000 + i * 61_007),
  scoring([START]),
)

describe('any record that the rules can make', () => {
  /** Claims something of every record in any life of a request of any service. */
  function always(claim: (record: RequestRecord) => void): void {
    for (const service of [SERVICE, ...allServices()]) {
      const ids = service.steps.map(({ id }) => id as string)
      const begun = aRecord({ now: T0, service })
      claim(begun)
      fc.assert(
        fc.property(events(anyChange(ids), anyClock), (happened) => {
          for (const { after } of live(happened, begun)) claim(after)
        }),
        { numRuns: 60 },
      )
    }
  }

  it('is read as it was written', () => {
    always((record) => expect(written(fromCompact(packed(record)))).toEqual(written(record)))
  })

  it('is read as it was written when another program has written the very same JSON anew', () => {
    always((record) => {
      const theirs = parseForeignRecord(JSON.stringify(packed(record)))
      expect(written(theirs ?? {})).toEqual(written({ ...parseForeignRecord(JSON.stringify(record)) }))
      expect(theirs?.steps.map(written)).toEqual(record.steps.map(written))
    })
  })

  it('stands there with every field of the contract, in full', () => {
    always((record) => {
      const fields = packed(record)
      const whole = written(record)
      for (const name of CONTRACT) expect(fields).toHaveProperty(name, whole[name])
    })
  })

  it('is not changed by being written', () => {
    always((record) => {
      const before = structuredClone(record)
      toCompact(record)
      expect(record).toEqual(before)
    })
  })
})

describe('what is still as it was at first', () => {
  it('does not stand there, and comes back', () => {
    const left = [
      'owner_hash', 'cancelled_by', 'next_retry_at', 'estimated_end_at', 'deadline_at', 'reached', 'steps',
    ] // biome-ignore format: a list
    const fields = packed(scoring())
    for (const name of left) expect(fields).not.toHaveProperty(name)
    expect(fromCompact(fields)).toMatchObject({
      owner_hash: null,
      cancelled_by: null,
      next_retry_at: null,
      estimated_end_at: null,
      deadline_at: null,
      reached: 0,
    })
  })

  it('is nearly half of a request that waits', () => {
    const waiting = scoring()
    expect(encodeRecord(waiting).length).toBeLessThan(JSON.stringify(waiting).length * 0.6)
  })

  it.each(allServices())(
    'of the steps of $slug are all until one is begun',
    ({ slug, steps, ...service }) => {
      const begun = createRecord({
        hash: 'req_x',
        service: { slug, steps, ...service },
        requestData: {},
        sessionId: null,
        userId: null,
        now: T0,
        ttlSeconds: TTL_SECONDS,
      })
      expect(packed(begun)).not.toHaveProperty('steps')
      expect(fromCompact(packed(begun)).steps).toEqual(begun.steps)
      expect(begun.steps.map(({ id, of }) => ({ id, of }))).toEqual(steps.map(({ id, of }) => ({ id, of })))
      const running = afterChanges(begun, [START, at(5, steps[0]?.id as string)])
      expect(packed(running).steps).toHaveLength(steps.length)
    },
  )

  it.each<[string, (steps: Step[]) => Step[]]>([
    ['one less', (steps) => steps.slice(1)],
    ['one more', (steps) => [...steps, { ...(steps[0] as Step), id: 'more' }]],
    ['another order', (steps) => steps.toReversed()],
    ['a part that was a step', (steps) => steps.map((step) => ({ ...step, of: 'asking' }))],
  ])('is not what its service has today: %s stands there', (_what, change) => {
    const whole = aRecord({ now: T0, service: threeProviderInquiry })
    const other = { ...whole, steps: change(whole.steps) }
    expect(packed(other)).toHaveProperty('steps')
    expect(fromCompact(packed(other)).steps).toEqual(other.steps)
  })
})

describe('steps in short', () => {
  it('are names and ends of times, and come back whole', () => {
    expect(packed(underWay).steps).toEqual([
      ['authentication', '29.000Z', '1:30.007Z'],
      ['captcha_solving', '1:30.007Z', '2:31.014Z'],
      ['sending_otp', '2:31.014Z'],
      'waiting_otp',
      'verifying_otp',
      'processing_result',
    ])
    expect(fromCompact(packed(underWay)).steps).toEqual(underWay.steps)
  })

  it('begun in the millisecond of the creation, or in another year, come back whole', () => {
    const steps: Step[] = [
      { id: 'a', state: 'done', started_at: underWay.created_at, finished_at: '2031-12-31T23:59:59.999Z' },
      { id: 'b', state: 'done', started_at: null, finished_at: null },
      { id: 'c', state: 'current', started_at: null, finished_at: null },
    ]
    const odd = { ...underWay, steps }
    expect(packed(odd).steps).toEqual([
      ['a', '', '31-12-31T23:59:59.999Z'],
      ['b', null, null],
      ['c', null],
    ])
    expect(fromCompact(packed(odd)).steps).toEqual(steps)
  })

  it('that are parts stand there in full', () => {
    const asking = afterChanges(
      aRecord({ now: T0, service: threeProviderInquiry }),
      [START, { ...at(10, 'asking'), parts: [{ id: 'swift', state: 'current', progress: 40 }] } as Command],
      T0 + 5000,
    )
    const [, swift] = packed(asking).steps as Step[]
    expect(swift).toEqual(asking.steps[1])
    expect(swift).toMatchObject({ of: 'asking', state: 'current', progress: 40 })
  })
})

describe('a record of the older, full form', () => {
  it.each([
    ['under our mark', (json: string) => decodeRecord(`${json}\t`)],
    ['from another program', (json: string) => parseForeignRecord(json)],
  ])('%s is read as before', (_what, read) => {
    for (const record of [scoring(), underWay])
      expect(written(read(JSON.stringify(record)) as object)).toEqual(written(record))
  })

  it('in Redis is read, changed, and from then on written in short', async () => {
    const record = aRecord({ service: creditScoreRating })
    await client.set(keys.record(record.hash), `${JSON.stringify(record)}\t`, 'EX', TTL_SECONDS)
    expect((await store.read(record.hash))?.record).toEqual(record)
    expect((await store.apply(record.hash, START)).ok).toBe(true)
    const raw = (await client.get(keys.record(record.hash))) ?? ''
    expect(JSON.parse(raw)).not.toHaveProperty('steps')
    expect(decodeRecord(raw)).toMatchObject({ status: 'processing', version: 2, steps: record.steps })
  })
})

describe('another program that changes a packed record and writes it back', () => {
  const another = () => createRequestStore({ redis: client, ttlSeconds: TTL_SECONDS })

  it('loses no times of the steps', async () => {
    const { record } = await given(START, at(10, 'first'), at(20, 'second'))
    await foreignWrite(record.hash, { progress: 60 })
    const after = (await another().read(record.hash))?.record
    expect(after).toMatchObject({ progress: 60, version: record.version + 1 })
    expect(after?.steps).toEqual(record.steps)
  })

  it('loses no step where none was begun', async () => {
    const record = aRecord({ service: creditScoreRating })
    await store.create(record)
    await foreignWrite(record.hash, { progress: 5, status: 'processing' })
    const after = (await another().read(record.hash))?.record
    expect(after).toMatchObject({ progress: 5, status: 'processing', steps: record.steps })
  })

  it('may name the step, which ends those before it with the times they took', async () => {
    const { record } = await given(START, at(10, 'first'))
    await foreignWrite(record.hash, { progress: 60, step: 'second' })
    const after = (await another().read(record.hash))?.record
    expect(after?.steps.map(({ state }) => state)).toEqual(['done', 'current', 'waiting'])
    expect(after?.steps[0]?.started_at).toBe(record.steps[0]?.started_at)
  })

  it('may write steps in full', async () => {
    const { record } = await given(START, at(10, 'first'))
    await foreignWrite(record.hash, { progress: 60, steps: record.steps })
    expect((await another().read(record.hash))?.record.steps).toEqual(record.steps)
  })

  it.each(['2026-06-01T12:00:00Z', '2026-06-01T12:00:00+00:00', '2026-06-01T15:30:00.000000+03:30'])(
    'may write the creation as %s',
    (created_at) => {
      const theirs = parseForeignRecord(JSON.stringify({ ...packed(underWay), created_at }))
      expect(theirs).toMatchObject({ created_at: underWay.created_at, steps: underWay.steps.map(written) })
    },
  )
})

describe('nonsense in short steps', () => {
  const anyEnd = fc.oneof(
    fc.string(),
    fc.jsonValue(),
    fc.constantFrom('28.546Z', '9:01.002Z', '', 'Z', null, 'x'.repeat(100), ['28.546Z'], { toString: 1 }),
  )
  const anyStep = fc.oneof(
    fc.jsonValue(),
    fc.array(anyEnd, { maxLength: 4 }),
    fc.tuple(fc.constantFrom('first', 'second'), anyEnd),
    fc.tuple(fc.constantFrom('first', 'second'), anyEnd, anyEnd),
    fc.constantFrom('first', 17, null, [], [[]], [['first']], { id: 'first' }),
  )
  const anyCreation = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(
      underWay.created_at, '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00Z', '2026-01-01', '', null, { toString: 1 },
    ), // biome-ignore format: a list
  )
  const anySlug = fc.constantFrom<unknown>('credit-score-rating', 'test-service', null, 17, { toString: 1 })
  const anyNonsense = fc
    .record({
      steps: fc.oneof(fc.array(anyStep), fc.jsonValue()),
      created_at: anyCreation,
      service_slug: anySlug,
    })
    .map((changes) => JSON.stringify({ ...packed(underWay), ...changes }))

  it('of another program never hides the record, and is never shown as a time', () => {
    fc.assert(
      fc.property(anyNonsense, (json) => {
        const theirs = parseForeignRecord(json)
        if (!theirs) throw new Error('not readable as a record')
        const { steps } = toPublicView(
          normalizeForeignRecord(theirs, { now: T0, ttlSeconds: TTL_SECONDS }),
          T0,
        )
        for (const { started_at, finished_at } of steps)
          for (const time of [started_at, finished_at])
            if (time !== null) expect(new Date(time).toISOString()).toBe(time)
      }),
      { numRuns: 1000 },
    )
  })

  it('under our mark makes the reader throw as little', () => {
    fc.assert(
      fc.property(anyNonsense, (json) => {
        expect(decodeRecord(`${json}\t`)).toMatchObject({ version: underWay.version })
      }),
      { numRuns: 1000 },
    )
  })

  it.each([
    ['a number', ['sending_otp', 17]],
    ['a list', ['sending_otp', ['28.546Z']]],
    ['an object', ['sending_otp', { toString: 1 }]],
    ['an end far too long', ['sending_otp', 'x'.repeat(10_000)]],
    ['no time', ['sending_otp', '99.999Z']],
  ])('is left out of the step where it is %s, and the others stay', (_what, nonsense) => {
    const fields = packed(underWay)
    const steps = (fields.steps as unknown[]).with(2, nonsense)
    expect(parseForeignRecord(JSON.stringify({ ...fields, steps }))?.steps.map(written)).toEqual(
      underWay.steps.map((step) => (step.id === 'sending_otp' ? { ...step, started_at: null } : step)),
    )
  })
})
