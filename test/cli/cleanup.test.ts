/** `cleanup`: removes what belongs to no request, and nothing else. */
import { afterAll, describe, expect, test } from 'vitest'
import type { Orphans } from '../../core/actions/orphans.ts'
import { queuesOf } from '../../core/catalog/catalog.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { announceServices } from '../helpers/announced.ts'
import { useCli } from '../helpers/cli.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, aRecord, START } from '../helpers/record.ts'
import { onRealRedis, quiet, useRedis } from '../helpers/redis.ts'
import { redisContents } from '../helpers/redis-contents.ts'
import { useRequests } from '../helpers/requests.ts'
import { catalog, linkCheck } from '../helpers/services.ts'

const redis = await useRedis()
const { client, store, given, applyCommand } = await useRequests(redis)
await announceServices(client)
const queues = createQueues({ redis: client, log: quiet, queueList: () => queuesOf(catalog) })
const cli = useCli(redis)
afterAll(() => queues.stop())

const found = (...options: string[]): Promise<Orphans & { removed: boolean }> =>
  cli.json('cleanup', ...options)

/** A request with a queued job, a reminder and a list entry. */
async function waiting(fields: Parameters<typeof aRecord>[0] = {}): Promise<string> {
  const record = aRecord(fields)
  await store.create(record)
  await client.zadd(keys.deadlines, Date.now() + 1e6, record.hash)
  await queues.add(record, linkCheck)
  return record.hash
}
async function withoutRecord(): Promise<string> {
  const hash = await waiting()
  await client.del(keys.record(hash))
  return hash
}

describe('cleanup', () => {
  test('cleanup finds nothing among intact requests of every state', async () => {
    await waiting()
    await waiting({ run_at: new Date(Date.now() + 60_000).toISOString() })
    await given(START, { type: 'require_otp', attempt: 1, otp: { id: 'a', length: 6 } })
    await given(START, { type: 'complete', attempt: 1, result: 1 })
    expect(await cli.run('cleanup')).toMatchObject({
      code: 0,
      out: 'There is nothing to clean up.\n',
      err: '',
    })
  })

  test('cleanup names and removes the list entry, reminder and job of a missing record', async () => {
    const stays = await waiting()
    const missing = await withoutRecord()
    const before = await redisContents(client, '*')
    const dry = await cli.run('cleanup', '--dry-run')
    expect(dry.out).toContain(`stray list entries: 1\n  ${missing}\n`)
    expect(dry.out).toContain(`stray checks: 1\n  ${missing}\n`)
    expect(dry.out).toContain(`orphaned jobs: 1\n  ${missing} in crawls\n`)
    expect(dry.out).toMatch(/Would remove 3 items\.\n$/)
    expect(await redisContents(client, '*')).toEqual(before)
    expect((await cli.run('cleanup')).out).toMatch(/Removed 3 items\.\n$/)
    // BullMQ's event stream still mentions the job for a while.
    await client.del('halfway:crawls:events')
    expect(await redisContents(client, '*')).not.toContain(missing)
    expect(await queues.position(stays, linkCheck.queue)).not.toBeNull()
    expect(await found()).toMatchObject({ list_entries: [], reminders: [], jobs: [], keys: [] })
  })

  test('cleanup removes the job of a final request, but no active job', async () => {
    const [final, active] = [await waiting(), await withoutRecord()]
    await applyCommand(final, { type: 'cancel', by: 'user' })
    await client.zrem('halfway:crawls:prioritized', active)
    await client.lpush('halfway:crawls:active', active)
    const { jobs } = await found()
    expect(jobs).toEqual([{ queue: 'crawls', hash: final }])
    expect(await queues.has(active, linkCheck.queue)).toBe(true)
    await client.lrem('halfway:crawls:active', 0, active)
    await client.del(`halfway:crawls:${active}`)
  })

  test('cleanup removes keys without a TTL, and restores the TTL of a readable record', async () => {
    const endless = [
      keys.otp(aHash()),
      keys.backup(aHash()),
      keys.idempotency('a', 'b'),
      `halfway:crawls:${aHash()}`,
    ]
    for (const key of endless.slice(0, 3)) await client.set(key, 'x')
    await client.hset(endless[3] as string, 'data', '{}')
    const invalid = keys.record(aHash())
    await client.set(invalid, 'no JSON')
    const foreign = await waiting()
    await client.set(keys.record(foreign), JSON.stringify((await store.read(foreign))?.record))
    const result = await found()
    expect(result.keys.sort()).toEqual([...endless, invalid].sort())
    expect(await client.exists(...endless, invalid)).toBe(0)
    expect(await client.pttl(keys.record(foreign))).toBeGreaterThan(1_700_000)
  })

  test('cleanup keeps the keys of an installation with another prefix', async () => {
    const foreign = ['other:local_request:req_of_another_one', 'other:halfway:deadlines']
    for (const key of foreign) await client.set(key, 'x')
    expect(await found()).toMatchObject({ list_entries: [], keys: [] })
    expect(await client.exists(...foreign)).toBe(2)
    await client.del(...foreign)
  })

  test('cleanup removes thousands of stray entries, and checks the others with a few commands', {
    timeout: 30_000,
  }, async () => {
    const many = onRealRedis ? 2_500 : 100
    const [strays, stay] = [0, 1].map(() => Array.from({ length: many }, () => aHash())) as [
      string[],
      string[],
    ]
    await Promise.all(stay.map((hash) => store.create(aRecord({ hash }))))
    const schedule = (hashes: string[]) => client.zadd(keys.deadlines, ...hashes.flatMap((hash) => [1, hash]))
    await schedule(stay)
    if (onRealRedis) await client.config('RESETSTAT')
    expect(await found('--dry-run')).toMatchObject({ list_entries: [], reminders: [], keys: [] })
    if (onRealRedis) {
      const calls = /cmdstat_exists:calls=(\d+)/.exec(await client.info('commandstats'))?.[1]
      expect(Number(calls)).toBeLessThan(20)
    }
    await client.lpush(keys.list, ...strays)
    await schedule(strays)
    const removed = await found()
    expect(removed.list_entries.sort()).toEqual([...strays].sort())
    expect(removed.reminders.sort()).toEqual([...strays].sort())
    expect(await found()).toMatchObject({ list_entries: [], reminders: [] })
    expect(await client.zcard(keys.deadlines)).toBeGreaterThanOrEqual(many)
  })
})
