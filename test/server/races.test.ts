/** Races between two writers of one request: one wins, and every viewer sees the same outcome. */
import { describe, expect, test } from 'vitest'
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import { eventually } from '../helpers/eventually.ts'
import { START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'

const ROUNDS = 500
const CONCURRENCY = 25

const server = await useServer(await useRedis())

/** All states that a watcher receives, including the first one. */
async function watch(hash: string): Promise<PublicView[]> {
  const seen: PublicView[] = []
  const { latest } = await server.watcher.watch(hash, {
    onUpdate: ({ view }) => seen.push(view),
    onExpired: () => {},
  })
  seen.unshift(latest.view)
  return seen
}

/** The user cancels while the bot completes. */
async function race(round: number): Promise<'completed' | 'cancelled'> {
  const hash = await server.given([START])
  const viewers = await Promise.all([watch(hash), watch(hash)])
  const cancel = () => server.api.post(`/api/local-requests/${hash}/cancel`)
  // A status call first takes about as long as the cancel's extra steps, so that either side may win.
  const complete = async () => {
    if (round % 2) await server.api.get(`/api/local-requests/${hash}/status`)
    return server.store.apply(hash, { type: 'complete', attempt: 1, result: { round } })
  }
  const [cancelled, completed] = await Promise.all([cancel(), complete()])

  expect([cancelled.status === 200, completed.ok].filter(Boolean)).toHaveLength(1)
  if (cancelled.status !== 200) expect(cancelled.body.code).toBe('already_final')
  const status = cancelled.status === 200 ? 'cancelled' : 'completed'
  const { body } = await server.api.get(`/api/local-requests/${hash}/status`).expect(200)
  expect(body).toMatchObject({ status, version: 3, result_data: status === 'completed' ? { round } : null })
  for (const seen of viewers) {
    await eventually(() => expect(seen.at(-1)).toMatchObject({ status, version: 3 }))
    expect(seen.filter((view) => isFinal(view.status))).toHaveLength(1)
  }
  return status
}

describe('a cancel that races with the completion', () => {
  test(`a cancel that races with a completion ends in one final state for every viewer, ${ROUNDS} times`, {
    timeout: 60_000,
  }, async () => {
    const ends: string[] = []
    for (let round = 0; round < ROUNDS; round += CONCURRENCY) {
      ends.push(...(await Promise.all(Array.from({ length: CONCURRENCY }, (_, i) => race(round + i)))))
    }
    expect(ends).toHaveLength(ROUNDS)
    // Both outcomes occurred, so it was a race.
    expect(new Set(ends).size).toBe(2)
  })
})
