/** Faulty machines: a wrong clock, a full disk. */

import { execFileSync } from 'node:child_process'
import { beforeEach, expect, test } from 'vitest'
import { shortReference } from '../../core/domain/short-reference.ts'
import { eventually } from '../helpers/eventually.ts'
import { useRedis } from '../helpers/redis.ts'
import { startInstallation } from './installation.ts'
import {
  collectOutcome,
  countRuns,
  expectSurvival,
  plainScript,
  submitAndWatch,
  submitMany,
  typeCodes,
} from './people.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const SETTINGS = { REDIS_URL: redis.url }
beforeEach(() => client.flushall())

const KINDS = ['plain', 'open-call', 'called-again'] as const
const TEN_MINUTES_MS = 600_000

for (const [direction, shiftMs] of [
  ['fast', TEN_MINUTES_MS],
  ['slow', -TEN_MINUTES_MS],
] as const) {
  test(`a worker whose clock is 10 minutes ${direction} does no harm`, async (ctx) => {
    const halfway = await startInstallation(ctx, {
      settings: SETTINGS,
      only: { workers: { SHIFT_CLOCK_MS: String(shiftMs) } },
      preload: { workers: './test/helpers/fixtures/shifted-clock.mjs' },
    })
    const people = await submitMany(30, (i) =>
      submitAndWatch(halfway, { kind: KINDS[i % 3] ?? 'plain', steps: 4, everyMs: 200 }),
    )
    ctx.onTestFinished(typeCodes(halfway, () => people))
    const ends = await expectSurvival(ctx, halfway, people, {
      name: `clock of a worker 10 minutes ${direction}`,
    })
    expect(ends).toEqual({ completed: 30 })
    for (const { watchers, hash } of people) {
      const { completed_at, expires_at } = watchers[0]?.shown ?? {}
      const completed = Date.parse(completed_at as string)
      expect(Math.abs(completed - Date.now())).toBeLessThan(60_000)
      expect(Date.parse(expires_at as string) - completed).toBe(1800_000)
      const ttlMs = await client.pttl(`local_request:${hash}`)
      expect(Math.abs(ttlMs - (Date.parse(expires_at as string) - Date.now()))).toBeLessThan(2000)
    }
  })
}

test('processes whose log disk is full keep working and log again once there is space', async (ctx) => {
  const halfway = await startInstallation(ctx, { settings: SETTINGS })
  const members = [...halfway.servers, ...halfway.workers, ...halfway.bots]
  const before = await submitMany(30, () => submitAndWatch(halfway, plainScript(4, 100)))
  await collectOutcome(halfway, before)
  // A limit of the file size acts like a full disk; the event file of the bots stays shorter than the log.
  const roomFor = (bytes: number | 'unlimited'): void => {
    for (const { pid } of members) execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`])
  }
  const full = halfway.logs().length
  roomFor(full)
  const people = await submitMany(30, () => submitAndWatch(halfway, plainScript(4, 200)))
  const ends = await expectSurvival(ctx, halfway, people, { name: 'disk full for logs' })
  expect(ends).toEqual({ completed: 30 })
  expect([...countRuns(halfway).values()].every((runs) => runs === 1)).toBe(true)
  expect(members.flatMap(({ ends }) => ends)).toEqual([])
  expect(halfway.logs().length).toBe(full)
  roomFor('unlimited')
  const { hash } = await submitAndWatch(halfway, plainScript(1, 0))
  await eventually(() => expect(halfway.logs()).toContain(shortReference(hash)))
})
