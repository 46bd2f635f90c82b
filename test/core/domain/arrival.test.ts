/** When a request will be ready: learned ranges, and how they follow a request. */
import { describe, expect, it } from 'vitest'
import {
  countInside,
  type EndedRequest,
  estimateFrom,
  MIN_RUNS,
  type PastRun,
  toRun,
} from '../../../core/domain/arrival.ts'
import { toIso } from '../../../core/domain/iso-time.ts'
import { type RequestRecord, toPublicView } from '../../../core/domain/record.ts'
import { transition } from '../../../core/domain/state-machine.ts'
import { aRecord, REQUIRE_OTP, T0, TTL_SECONDS } from '../../helpers/record.ts'

/** A generator with a seed (mulberry32), so that the test is the same each time. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const STEPS = ['login', 'search', 'report']
const DISTRIBUTIONS: Record<string, (random: () => number) => number> = {
  uniform: (random) => 5 + 20 * random(),
  exponential: (random) => -10 * Math.log(1 - random()),
  'log-normal': (random) =>
    Math.exp(2 + 0.6 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(6.283 * random())),
  'with a slow one in five': (random) => (random() < 0.2 ? 60 + 30 * random() : 8 + 4 * random()),
}

function aRun(durations: number[]): PastRun {
  const starts = durations.map((_, i) => durations.slice(0, i).reduce((sum, one) => sum + one, 0))
  return { starts, total: durations.reduce((sum, one) => sum + one, 0), isInside: null }
}

describe('ranges that were learned', () => {
  it.each(Object.entries(DISTRIBUTIONS))('hold 85 to 95 %% of the next requests: %s', (_name, draw) => {
    const random = randomNumbers(7)
    const next = () => aRun(STEPS.map(() => draw(random)))
    const inside = { total: 0, ofStep: 0 }
    const rounds = 200
    for (let round = 0; round < rounds; round++) {
      const learned = estimateFrom(Array.from({ length: 200 }, next), STEPS)!
      for (let i = 0; i < 10; i++) {
        const run = next()
        const rest = run.total - (run.starts[1] as number)
        if (run.total >= learned.total[0] && run.total <= learned.total[1]) inside.total++
        if (rest >= learned.steps.search![0] && rest <= learned.steps.search![1]) inside.ofStep++
      }
    }
    for (const count of Object.values(inside)) {
      expect(count / rounds / 10).toBeGreaterThan(0.85)
      expect(count / rounds / 10).toBeLessThan(0.95)
    }
  })

  it('hold them with the least number of runs, too', () => {
    const random = randomNumbers(11)
    let inside = 0
    for (let round = 0; round < 2000; round++) {
      const next = () => aRun([DISTRIBUTIONS.exponential!(random)])
      const { total } = estimateFrom(Array.from({ length: MIN_RUNS }, next), ['login'])!
      const run = next()
      if (run.total >= total[0] && run.total <= total[1]) inside++
    }
    expect(inside / 2000).toBeGreaterThan(0.85)
    expect(inside / 2000).toBeLessThan(0.95)
  })

  it('are none with fewer runs', () => {
    expect(estimateFrom(Array(MIN_RUNS - 1).fill(aRun([1, 2, 3])), STEPS)).toBeNull()
  })

  it('follow steps that depend on each other', () => {
    // A slow login is followed by a fast search: the whole takes 30 s whatever the login takes.
    const runs = Array.from({ length: 100 }, (_, i) => aRun([10 + (i % 10), 20 - (i % 10), 0]))
    expect(estimateFrom(runs, STEPS)).toMatchObject({ total: [30, 30], usual: { report: 0 } })
    expect(estimateFrom(runs, STEPS)?.leastAfter).toEqual({ login: 11, search: 0, report: 0 })
  })

  it('leave out steps that hardly any run had', () => {
    const runs = Array.from(
      { length: 50 },
      (): PastRun => ({ total: 9, starts: [0, null, 5], isInside: null }),
    )
    const learned = estimateFrom(runs, STEPS)!
    expect(learned.usual).toEqual({ login: 5, report: 4 })
    expect(Object.keys(learned.steps)).toEqual(['login', 'report'])
    expect(learned.leastAfter).toEqual({ login: 4, report: 0 })
  })

  it('are measured by the runs that ended within them', () => {
    const run = aRun([1])
    const runs = [run, { ...run, isInside: true }, { ...run, isInside: false }]
    expect(countInside(runs)).toEqual({ expected: 2, inside: 1 })
  })
})

const at = (seconds: number) => toIso(T0 + seconds * 1000)
const context = (seconds: number) => ({ now: T0 + seconds * 1000, ttlSeconds: TTL_SECONDS })

describe('a run', () => {
  const ended: EndedRequest = {
    attempt: 1,
    started_at: at(0),
    completed_at: at(100),
    steps: [
      { id: 'login', state: 'done', started_at: at(1), finished_at: at(70), waited_ms: 60_000 },
      { id: 'sms', of: 'login', state: 'done', started_at: at(2), finished_at: at(3) },
      { id: 'search', state: 'done', started_at: at(70), finished_at: at(100) },
    ],
  }

  it('counts work alone, without the wait for an answer', () => {
    expect(toRun(ended, undefined)).toEqual({ total: 40, starts: [1, 10], isInside: null })
  })

  it('says whether it ended as expected', () => {
    expect(toRun(ended, { total: [30, 40], steps: {} })?.isInside).toBe(true)
    expect(toRun(ended, { total: [41, 50], steps: {} })?.isInside).toBe(false)
  })

  it('is none after a second attempt, and none before the end', () => {
    expect(toRun({ ...ended, attempt: 2 }, undefined)).toBeNull()
    expect(toRun({ ...ended, completed_at: null }, undefined)).toBeNull()
  })
})

describe('a request with an expectation', () => {
  const expected = {
    total: [30, 60],
    steps: { first: [28, 55], second: [10, 20] },
  } as const
  type Change = Parameters<typeof transition>[1]
  const apply = (record: RequestRecord, command: Change, seconds: number): RequestRecord => {
    const result = transition(record, command, context(seconds))
    if (!result.ok) throw new Error(result.rejection)
    return result.record
  }
  const started = apply(aRecord({ now: T0 }), { type: 'start', attempt: 1, expected }, 0)
  const step = (id: string) => ({ type: 'progress', attempt: 1, progress: 10, step: id }) as const
  const viewAt = (record: RequestRecord, seconds: number) => toPublicView(record, T0 + seconds * 1000)

  it('shows its range from the start, and counts it down', () => {
    expect(viewAt(started, 0)).toMatchObject({
      estimated_remaining_range: [30, 60],
      estimated_remaining_time: 60,
    })
    expect(viewAt(started, 10)).toMatchObject({ estimated_remaining_range: [20, 50], is_late: false })
    expect(viewAt(started, 99)).toMatchObject({ estimated_remaining_range: [0, 0] })
  })

  it('narrows it with each step', () => {
    const captcha = apply(apply(started, step('first'), 1), step('second'), 15)
    expect(viewAt(captcha, 15)).toMatchObject({ estimated_remaining_range: [10, 20], is_late: false })
  })

  it('keeps the end where a step hardly moves it', () => {
    const late = apply(started, step('second'), 41)
    expect(viewAt(late, 41)).toMatchObject({ estimated_remaining_range: [10, 19], is_late: false })
  })

  it('says that it is late where the end moves later', () => {
    const late = apply(started, step('second'), 50)
    expect(viewAt(late, 50)).toMatchObject({ estimated_remaining_range: [10, 20], is_late: true })
  })

  it('stands still while an answer is waited for, and moves on by that time', () => {
    const asking = apply(apply(started, step('first'), 1), REQUIRE_OTP, 5)
    expect(viewAt(asking, 60)).toMatchObject({ estimated_remaining_range: [24, 51] })
    const answered = apply(asking, { type: 'submit_otp', otp: '123456' }, 65)
    expect(viewAt(answered, 65)).toMatchObject({ estimated_remaining_range: [24, 51], is_late: false })
    expect(answered.steps[0]).toMatchObject({ id: 'first', waited_ms: 60_000 })
  })

  it('starts over with the next attempt, and says so', () => {
    const failure = { error: { code: 'bot_crashed', message: '', retryable: true } }
    const failed = apply(started, { type: 'retry', attempt: 1, nextRetryAt: T0 + 40_000, ...failure }, 30)
    const again = apply(failed, { type: 'start', attempt: 2, expected }, 40)
    expect(viewAt(again, 40)).toMatchObject({ estimated_remaining_range: [30, 60], is_late: true })
  })

  it('has none without enough runs', () => {
    const unknown = apply(aRecord({ now: T0 }), { type: 'start', attempt: 1 }, 0)
    expect(viewAt(unknown, 5).estimated_remaining_range).toBeNull()
  })
})
