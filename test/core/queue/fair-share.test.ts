/** Fair scheduling as BullMQ's own scripts see it: the waiting requests of submitters alternate. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ROUNDS, submitterOf } from '../../../core/queue/fair-share.ts'
import { type TestQueue, useQueue } from '../../helpers/queue.ts'
import { useRedis } from '../../helpers/redis.ts'

const { connections } = await useRedis()
const redis = await connections.connect('patient')

const DAY_MS = 86_400_000
const MANY = Array.from({ length: 30 }, () => 'ann')

async function addAll({ add }: TestQueue, submitters: readonly string[], priority?: number): Promise<void> {
  for (const submitter of submitters) await add(submitter, { priority })
}
const turnsOf = ({ key }: TestQueue, urgency = 5): string => key(`turns:${urgency}`)

describe('many requests of one submitter', () => {
  test('many requests of one submitter do not delay the only request of another', async () => {
    const line = useQueue(redis)
    await addAll(line, MANY)
    await line.add('bob')
    expect(await line.takeAll(3)).toEqual(['ann', 'bob', 'ann'])
  })

  test('many requests added concurrently do not delay the only request of another submitter', async () => {
    const line = useQueue(redis)
    await Promise.all(MANY.map((ann) => line.add(ann)))
    const { hash } = await line.add('bob')
    expect(await line.queues.position(hash, line.queue)).toBe(2)
    expect(await line.takeAll()).toEqual(['ann', 'bob', ...MANY.slice(1)])
  })

  test('many requests, half of them done, do not delay the only request of another submitter', async () => {
    const line = useQueue(redis)
    await addAll(line, MANY)
    await line.takeAll(15)
    await line.add('bob')
    expect(await line.takeAll(3)).toEqual(['ann', 'bob', 'ann'])
  })

  test('requests of one submitter keep their order', async () => {
    const line = useQueue(redis)
    const hashes: string[] = []
    for (let i = 0; i < 20; i++) hashes.push((await line.add('ann')).hash)
    const taken: (string | null)[] = []
    for (let i = 0; i < 20; i++) taken.push(await line.take())
    expect(taken).toEqual(hashes)
  })
})

describe('waiting submitters', () => {
  test('submitters alternate regardless of who came first', async () => {
    const line = useQueue(redis)
    await addAll(line, ['ann', 'ann', 'ann', 'bob', 'bob', 'bob', 'cid'])
    expect((await line.takeAll()).join(' ')).toBe('ann bob cid ann bob ann bob')
  })

  test('submitters who come concurrently have one request each in the first round', async () => {
    const line = useQueue(redis)
    const people = Array.from({ length: 10 }, (_, i) => `person-${i}`)
    await Promise.all(people.flatMap((person) => [1, 2, 3].map(() => line.add(person))))
    for (let round = 0; round < 3; round++)
      expect((await line.takeAll(10)).sort(), String(round)).toEqual(people)
  })

  test('a late submitter starts in the current round, without the missed ones', async () => {
    const line = useQueue(redis)
    await addAll(line, ['ann', 'ann', 'ann', 'ann', 'bob', 'bob', 'bob', 'bob'])
    await line.takeAll(5)
    await addAll(line, ['cid', 'cid', 'cid'])
    expect((await line.takeAll()).join(' ')).toBe('bob cid ann bob cid cid')
  })

  test('requests without a submitter count as one submitter', async () => {
    const line = useQueue(redis)
    for (let i = 0; i < 3; i++) await line.add('', { submitter: undefined })
    await line.add('bob')
    expect((await line.takeAll()).map((who) => who || 'nobody')).toEqual([
      'nobody',
      'bob',
      'nobody',
      'nobody',
    ])
  })

  test('a session and its network are two submitters in Redis, by the beginning of their digests', async () => {
    const line = useQueue(redis)
    await line.add(submitterOf(null, 'network-digest-1'))
    await line.add(submitterOf('session-digest-1', 'network-digest-1'))
    const people = await redis.zrange(turnsOf(line), '0', '-1')
    expect(people).toHaveLength(3)
    for (const person of people) expect(person).toMatch(/^[\w-]{12}(#1)?$/)
  })
})

describe('sessions of one network', () => {
  const sessions = (count: number): string[] => Array.from({ length: count }, (_, i) => `s${i}.net`)

  test('sessions of one network have three requests in each round, however many sessions there are', async () => {
    const line = useQueue(redis)
    await addAll(line, sessions(20))
    await line.add('bob.elsewhere')
    await line.add('cid')
    expect(await line.takeAll(5)).toEqual(['s0.net', 's1.net', 's2.net', 'bob.elsewhere', 'cid'])
    expect(await line.takeAll()).toEqual(sessions(20).slice(3))
  })

  test('sessions of one network that come concurrently have three requests in each round', async () => {
    const line = useQueue(redis)
    await Promise.all(sessions(20).map((session) => line.add(session)))
    const { hash } = await line.add('bob.elsewhere')
    expect(await line.queues.position(hash, line.queue)).toBe(4)
  })

  test('a session with many requests does not delay other sessions of its network', async () => {
    const line = useQueue(redis)
    await addAll(
      line,
      MANY.map((ann) => `${ann}.net`),
    )
    await addAll(line, ['bob.net', 'cid.net', 'dan.net'])
    expect(await line.takeAll(5)).toEqual(['ann.net', 'bob.net', 'cid.net', 'ann.net', 'dan.net'])
  })

  test('each session of a network has one request in a round', async () => {
    const line = useQueue(redis)
    await addAll(line, ['ann.net', 'ann.net', 'bob.other', 'bob.other'])
    expect(await line.takeAll()).toEqual(['ann.net', 'bob.other', 'ann.net', 'bob.other'])
  })
})

describe('rounds', () => {
  test('rounds expire two seconds after the queue is empty and start again', async () => {
    const line = useQueue(redis)
    await addAll(line, ['ann', 'ann', 'ann'])
    await line.takeAll()
    await line.add('ann')
    const left = await redis.pttl(turnsOf(line))
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(2000)
    await line.takeAll()
    await redis.pexpire(turnsOf(line), 0)
    await line.add('ann')
    expect(await redis.zscore(turnsOf(line), 'ann')).toBe('1')
  })

  test('rounds are stored while a request waits, for at most a day', async () => {
    const line = useQueue(redis)
    await addAll(line, ['ann', 'ann'])
    const left = await redis.pttl(turnsOf(line))
    expect(left).toBeGreaterThan(DAY_MS - 10_000)
    expect(left).toBeLessThanOrEqual(DAY_MS)
  })

  test('rounds that ended long ago do not delay a submitter', async () => {
    const line = useQueue(redis)
    await addAll(line, MANY)
    await line.takeAll()
    // Simulates an hour later.
    await redis.pexpire(turnsOf(line), DAY_MS - 3_600_000)
    await addAll(line, ['bob', 'ann', 'bob', 'bob', 'bob'])
    expect((await line.takeAll()).join(' ')).toBe('bob ann bob bob bob')
  })

  test('requests beyond the last round share it and stay in their level of urgency', async () => {
    const line = useQueue(redis)
    await addAll(line, ['ann', 'ann'], 5)
    await redis.zadd(turnsOf(line), ROUNDS - 2, 'ann')
    await addAll(line, ['ann', 'ann', 'ann'], 5)
    expect(await redis.zscore(turnsOf(line), 'ann')).toBe(String(ROUNDS - 1))
    await addAll(line, ['cid'], 6)
    await line.add('bob')
    expect((await line.takeAll()).join(' ')).toBe('ann bob ann ann ann ann cid')
  })

  test('priorities of the least urgent level are accepted by BullMQ', async () => {
    const line = useQueue(redis)
    await line.add('bob', { priority: 10 })
    await redis.zadd(turnsOf(line, 10), ROUNDS, 'ann')
    await addAll(line, ['ann'], 10)
    expect(await line.takeAll()).toEqual(['bob', 'ann'])
  })

  test('scores of the least urgent level have at most 14 digits, which every Redis stores exactly', async () => {
    const line = useQueue(redis)
    await redis.zadd(turnsOf(line, 10), ROUNDS, 'ann')
    const records = [await line.add('ann', { priority: 10 }), await line.add('ann', { priority: 10 })]
    const prioritized = line.key('prioritized')
    const scores = await Promise.all(records.map(({ hash }) => redis.zscore(prioritized, hash)))
    expect(Number(scores[1]) - Number(scores[0])).toBe(1)
    for (const score of scores) expect(score).toMatch(/^\d{1,14}$/)
  })
})

describe('levels of urgency', () => {
  test('the last request of a more urgent level runs before the first of the next level', async () => {
    const line = useQueue(redis)
    for (const priority of [10, 6, 5, 1])
      await addAll(line, [`p${priority}`, `p${priority}`, 'ann'], priority)
    await line.add('p5')
    expect((await line.takeAll()).join(' ')).toBe('p1 ann p1 p5 ann p5 p5 p6 ann p6 p10 ann p10')
  })

  test('each level of urgency counts its own rounds', async () => {
    const line = useQueue(redis)
    await addAll(line, MANY, 1)
    await addAll(line, ['ann', 'ann', 'bob'], 2)
    expect(await line.takeAll(30)).toEqual(MANY)
    expect(await line.takeAll()).toEqual(['ann', 'bob', 'ann'])
  })
})

describe('any requests in any order', () => {
  const arrivals = fc.array(
    fc.record({ who: fc.constantFrom('ann', 'bob', 'cid'), priority: fc.constantFrom(1, 5, 10) }),
    { minLength: 1, maxLength: 24 },
  )

  test('urgent requests run first, and within a level no submitter runs twice before another who waits', async () => {
    await fc.assert(
      fc.asyncProperty(arrivals, async (all) => {
        const line = useQueue(redis)
        const added = new Map<string, (typeof all)[number]>()
        for (const one of all) added.set((await line.add(one.who, one)).hash, one)
        const positions = await Promise.all(
          [...added.keys()].map((hash) => line.queues.position(hash, line.queue)),
        )
        const expected = [...added.keys()].sort(
          (a, b) => positions[[...added.keys()].indexOf(a)]! - positions[[...added.keys()].indexOf(b)]!,
        )
        const taken: string[] = []
        for (let hash = await line.take(); hash !== null; hash = await line.take()) taken.push(hash)
        // The reported queue positions agree with the order in which jobs run.
        expect(taken).toEqual(expected)

        const order = taken.map((hash) => added.get(hash)!)
        for (const priority of [1, 5, 10]) {
          const people = order.filter((one) => one.priority === priority).map(({ who }) => who)
          // The n-th request of each submitter runs before the n+1-th of any submitter.
          const rounds = people.map((who, i) => people.slice(0, i).filter((other) => other === who).length)
          expect(rounds).toEqual([...rounds].sort((a, b) => a - b))
        }
        expect(order.map((one) => one.priority)).toEqual(
          order.map((one) => one.priority).sort((a, b) => a - b),
        )
      }),
      { numRuns: 25 },
    )
  })
})
