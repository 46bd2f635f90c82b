/** The first words of the Now page: whether people are served, and what is wrong. */
import { describe, expect, test } from 'vitest'
import type { Command } from '../../../core/domain/command.ts'
import { createConsoleTexts } from '../../../core/i18n/console-texts.ts'
import { startHeartbeat } from '../../../core/queue/worker-heartbeat.ts'
import { failingServices, servedModel } from '../../../server/console/served-model.ts'
import { useConsole } from '../../helpers/console.ts'
import { eventually } from '../../helpers/eventually.ts'
import { START } from '../../helpers/record.ts'
import { quiet, useRedis } from '../../helpers/redis.ts'
import { catalog, creditScoreRating } from '../../helpers/services.ts'

const SERVICE = { service_slug: 'credit-score-rating', queue: creditScoreRating.queue.name }
const FAIL: Command = {
  type: 'fail',
  attempt: 1,
  error: { code: 'portal_unavailable', message: 'HTTP 500', retryable: false },
}

describe('services of which more requests fail than usual', () => {
  /** Minutes of one service as [completed, failed]. */
  const slugsOf = (...minutes: [number, number][]) => {
    const ends = minutes.map(([completed, failed], i) => {
      const counts = { completed, failed, cancelled: 9 }
      return { at: i * 60_000, counts, byService: new Map([['parcels', counts]]) }
    })
    return failingServices(ends).map(({ slug }) => slug)
  }

  test('two failures are not enough, three of which more than half failed are', () => {
    expect(slugsOf([0, 1], [0, 1])).toEqual([])
    expect(slugsOf([2, 0], [0, 3])).toEqual(['parcels'])
  })

  test('a service that fails three times as often as before is named, one that fails as always is not', () => {
    expect(slugsOf([90, 10], [10, 2], [4, 3])).toEqual([])
    expect(slugsOf([95, 5], [10, 2], [4, 3])).toEqual(['parcels'])
    expect(slugsOf([20, 20], [10, 2], [4, 3])).toEqual([])
  })

  test('a service that fails for an hour is still named', () => {
    expect(slugsOf([0, 30], [0, 30], [0, 30])).toEqual(['parcels'])
  })

  test('failures of three minutes ago do not count', () => {
    expect(slugsOf([0, 30], [5, 0], [5, 0])).toEqual([])
  })
})

const EMPTY = {
  queues: null,
  ends: null,
  failures: null,
  durations: null,
  bots: null,
  workers: null,
  processes: null,
  redis: null,
}

test('a queue in which a request has waited for more than five minutes is named, in both languages', () => {
  const queue = { waiting: 1, running: 0, delayed: 0, at_once: null, held_seconds: 0 }
  const snapshot = {
    ...EMPTY,
    readiness: { checks: { redis: [], writes: [], workers: [] }, warnings: {} },
    queues: [
      { queue: 'crawls', ...queue, oldest_seconds: 372 },
      { queue: 'inquiries', ...queue, oldest_seconds: 300 },
    ],
  }
  const wordsIn = (locale: string) => {
    const { state, complaints } = servedModel(snapshot, { catalog, texts: createConsoleTexts(locale) })
    expect(state).toBe('warned')
    return complaints.map(({ words }) => words)
  }
  expect(wordsIn('en')).toEqual(['crawls: a request has waited for 6 min 12 s'])
  expect(wordsIn('fa').join()).toContain('۶ دقیقه')
})

test('people whose new requests are refused because Redis is nearly full are not being served', () => {
  const stateAt = (percent: number): string => {
    const memory = [{ code: 'nearly_full' as const, params: { percent } }]
    const readiness = { checks: { redis: [], writes: [], workers: [] }, warnings: { memory } }
    return servedModel({ ...EMPTY, readiness }, { catalog, texts: createConsoleTexts('en') }).state
  }
  expect([94, 95].map(stateAt)).toEqual(['warned', 'partly'])
})

describe('the first words of the Now page', async () => {
  const redis = await useRedis()
  const client = await redis.connections.connect('patient')
  const { open, given, apply, signIn } = await useConsole(redis)
  const cookie = await signIn()
  /** Workers that take every queue but these. */
  async function withWorkersFor(queues: string[], look: () => Promise<void>): Promise<void> {
    const workers = startHeartbeat({ redis: client, takenQueues: () => queues, log: quiet })
    await eventually(look).finally(workers.stop)
  }

  test('a queue that no worker takes leaves some people without service', async () => {
    await withWorkersFor([SERVICE.queue], async () => {
      const $ = await open('/admin', cookie)
      expect($('.served').attr('data-served')).toBe('partly')
      expect($('.served-words').text()).toBe('Some people are not being served.')
      const words = async (path: string) => (await open(path, cookie))('.served li').text()
      expect(await words('/admin?lang=en')).toMatch(/no worker takes jobs from [a-z-]/)
      const persian = await words('/admin?lang=fa')
      expect(persian).toContain('هیچ کارگری به این صف‌ها رسیدگی نمی‌کند')
      expect(persian.replace(/\u2066[^\u2069]*\u2069/g, '')).not.toMatch(/[a-z]/i)
    })
  })

  test('a service whose requests fail is named with its code, in both languages, with a link to them', async () => {
    for (let i = 0; i < 3; i++) await apply(await given([START], SERVICE), FAIL)
    const $ = await open('/admin', cookie)
    const link = $('.served a')
    expect(link.text()).toMatch(
      /^.+: 3 of 3 requests failed in the last two minutes, most often with portal_unavailable$/,
    )
    expect(link.attr('href')).toBe('/admin/failed?code=portal_unavailable')
    const persian = await open('/admin?lang=fa', cookie)
    expect(persian('.served a').text()).toContain('در دو دقیقهٔ گذشته ۳ درخواست از ۳ درخواست')
  })
})
