/** `failed` and `queues`: lists failed requests, retries them, and shows the queues. */
import { afterAll, describe, expect, test } from 'vitest'
import { queuesOf } from '../../core/catalog/catalog.ts'
import type { Command } from '../../core/domain/command.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { createQueues } from '../../core/queue/queues.ts'
import { announceServices } from '../helpers/announced.ts'
import { useCli } from '../helpers/cli.ts'
import { keys } from '../helpers/keys.ts'
import { aRecord, START } from '../helpers/record.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'
import { catalog, creditScoreRating, linkCheck } from '../helpers/services.ts'

const redis = await useRedis()
const { client, store, applyCommand } = await useRequests(redis)
await announceServices(client)
const queues = createQueues({ redis: client, log: quiet, queueList: () => queuesOf(catalog) })
const cli = useCli(redis)
afterAll(() => queues.stop())

const FAIL: Command = {
  type: 'fail',
  error: { code: 'portal_unavailable', message: 'Dear Ms Private, no.', retryable: true },
}
const DATA = { mobile: '09123456789', national_code: '0012345679' }
async function failedRequest(fields: Parameters<typeof aRecord>[0] = {}): Promise<string> {
  const service = { service: creditScoreRating, service_slug: creditScoreRating.slug }
  const record = aRecord({
    ...service,
    request_data: DATA,
    session_id: 'a-session',
    submitter: 'a-submitter',
    ...fields,
  })
  await store.create(record)
  await applyCommand(record.hash, START)
  await applyCommand(record.hash, FAIL)
  return record.hash
}
interface Listed {
  hash: string
  retried_as: string | null
  can_be_retried: boolean
}
const listed = async (hash: string): Promise<Listed | undefined> =>
  (await cli.json<Listed[]>('failed', 'list')).find((one) => one.hash === hash)

describe('failed list', () => {
  test('failed list prints hash, service, error code and attempts, and no personal data', async () => {
    const hash = await failedRequest()
    const { out } = await cli.run('failed', 'list')
    expect(out).toMatch(
      new RegExp(
        `^${hash} +${shortReference(hash)} +credit-score-rating +portal_unavailable +1 +\\d s ago +possible +–$`,
        'm',
      ),
    )
    const json = JSON.stringify(await cli.json('failed'))
    for (const secret of ['09123456789', '0012345679', 'a-session', 'Private']) {
      expect(out).not.toContain(secret)
      expect(json).not.toContain(secret)
    }
  })
})

test('failed list and show print the error behind a failure, of a deleted request too', async () => {
  const cause = { name: 'TypeError', message: "reading 'score'", at: 'workers/run-attempt.ts:98' }
  const record = aRecord({ service_slug: creditScoreRating.slug })
  await store.create(record)
  await applyCommand(record.hash, START)
  const error = { code: 'internal_error', message: 'It failed.', retryable: true, cause }
  await applyCommand(record.hash, { type: 'fail', attempt: 1, error })
  const shown = "TypeError: reading 'score' (workers/run-attempt.ts:98)"
  expect((await cli.run('failed', 'list')).out).toContain(shown)
  expect(await listed(record.hash)).toMatchObject({ cause })
  expect((await cli.run('show', record.hash)).out).toContain(`Cause:       ${shown}\n`)
  expect(await cli.json('show', record.hash)).toMatchObject({ cause })
  await client.del(keys.record(record.hash))
  expect((await cli.run('show', record.hash)).out).toContain(shown)
})

describe('failed retry', () => {
  test('failed retry creates and queues a new request with the same data and submitter, linked to the old one', async () => {
    const hash = await failedRequest({ owner_hash: 'a-hash-of-a-token', priority: 2 })
    const { code, out } = await cli.run('failed', 'retry', hash)
    expect(code).toBe(0)
    const { retried_as: as } = (await listed(hash)) as Listed
    expect(out).toBe(`${hash} was retried as ${as}\n`)
    const old = (await store.read(hash))?.record
    expect((await store.read(as ?? ''))?.record).toMatchObject({
      status: 'pending',
      attempt: 0,
      retry_of: hash,
      request_data: DATA,
      session_id: 'a-session',
      owner_hash: 'a-hash-of-a-token',
      submitter: 'a-submitter',
      priority: 2,
      max_attempts: creditScoreRating.tries,
    })
    expect(old).toMatchObject({ status: 'failed', version: 3 })
    expect(await queues.position(as ?? '', creditScoreRating.queue)).toBeGreaterThan(0)
    expect((await cli.run('show', as ?? '')).out).toMatch(new RegExp(`^Retry of: +${hash}$`, 'm'))
    expect((await cli.run('show', hash)).out).toMatch(new RegExp(`^Retried as: +${as}$`, 'm'))
  })

  test('failed retry creates one request when three run concurrently', async () => {
    const hash = await failedRequest()
    const runs = await Promise.all([1, 2, 3].map(() => cli.run('failed', 'retry', hash)))
    expect(runs.map(({ code }) => code).sort()).toEqual([0, 1, 1])
    const again = (await store.listRecent(100)).map((one) => store.read(one))
    expect((await Promise.all(again)).filter((one) => one?.record.retry_of === hash)).toHaveLength(1)
  })

  test('failed retry completes a retry that was claimed but never created', async () => {
    const hash = await failedRequest()
    await client.hset(keys.failedEntries, `${hash} retried`, 'req_claimed_and_never_made')
    expect((await cli.run('failed', 'retry', hash)).out).toContain('retried as req_claimed_and_never_made')
    expect((await store.read('req_claimed_and_never_made'))?.record.retry_of).toBe(hash)
  })

  test('failed retry refuses a request whose data is deleted, that has not failed, or that does not exist', async () => {
    const hash = await failedRequest()
    await client.del(keys.record(hash))
    expect(await cli.run('failed', 'retry', hash)).toMatchObject({
      code: 1,
      out: `${hash} was not retried: its submitted data is deleted\n`,
    })
    expect(await listed(hash)).toMatchObject({ can_be_retried: false })
    const running = aRecord()
    await store.create(running)
    expect((await cli.run('failed', 'retry', running.hash)).out).toContain('it has not failed')
    expect((await cli.run('failed', 'retry', 'req_never_was_a_request')).code).toBe(3)
  })

  test('failed retry --all retries every request that can be and has not been retried', async () => {
    const [one, other] = [await failedRequest(), await failedRequest()]
    const { code, out } = await cli.run('failed', 'retry', '--all')
    expect(code).toBe(0)
    for (const hash of [one, other]) expect(out).toContain(`${hash} was retried as`)
    expect((await cli.run('failed', 'retry', '--all')).out).not.toContain('was retried as')
  })
})

describe('failed retry --all with little room', () => {
  const small = useCli(redis, { MAX_UNFINISHED_PER_QUEUE: '6', MAX_UNFINISHED: '1000' })

  test('failed retry --all leaves half of the places of a queue to people, says how many stay and why, and sends them later', async () => {
    await client.del(
      keys.failed,
      keys.failedEntries,
      keys.unfinished(`queue:${creditScoreRating.queue.name}`),
    )
    const hashes = []
    for (let i = 0; i < 8; i++) hashes.push(await failedRequest({ queue: creditScoreRating.queue.name }))
    const { code, out } = await small.run('failed', 'retry', '--all')
    expect(code).toBe(0)
    expect(out.match(/was retried as/g)).toHaveLength(3)
    expect(out).toContain('3 of 8 requests retried.\n5 stay in the list: half of the places')
    expect(out).not.toContain('was not retried')
    const stay = (await cli.json<Listed[]>('failed', 'list')).filter((one) => one.can_be_retried)
    expect(stay).toHaveLength(5)
    expect(await client.zcard(keys.unfinished(`queue:${creditScoreRating.queue.name}`))).toBe(3)

    // One that an operator names is sent, whatever the limits say.
    expect(await small.run('failed', 'retry', stay[0]?.hash ?? '')).toMatchObject({ code: 0 })
    const json = await small.json<{ ok: boolean; reason?: string }[]>('failed', 'retry', '--all')
    expect(json.map(({ reason }) => reason)).toEqual(Array(4).fill('no_room'))
    await client.del(keys.unfinished(`queue:${creditScoreRating.queue.name}`))
    expect((await small.run('failed', 'retry', '--all')).out).toContain('3 of 4 requests retried.')
  })

  test('failed retry --all leaves half of what its submitter may have unfinished to them', async () => {
    await client.del(keys.failed, keys.failedEntries)
    const submitter = 'of-one-person'
    for (let i = 0; i < 3; i++) await failedRequest({ submitter })
    const limited = useCli(redis, { MAX_UNFINISHED_PER_SUBMITTER: '2' })
    const { out } = await limited.run('failed', 'retry', '--all')
    expect(out).toContain('1 of 3 requests retried.')
    expect(out).toContain('its submitter has half as many unfinished requests as they may have')
  })
})

describe('queues', () => {
  test('queues counts waiting, delayed and failed requests, and prints the waiting time of the oldest', async () => {
    const at = Date.now()
    const [waiting, due, later] = [
      aRecord({ now: at - 90_000 }),
      aRecord({ now: at - 3_600_000, run_at: new Date(at - 1000).toISOString() }),
      aRecord({ run_at: new Date(at + 60_000).toISOString() }),
    ]
    for (const record of [waiting, due, later]) {
      await store.create({ ...record, expires_at: new Date(at + 1e6).toISOString() })
      await queues.add(record, linkCheck)
    }
    await queues.applyLimits()
    await queues.hold(linkCheck.queue, 30_000)
    const [inquiries, crawls] = await cli.json<Record<string, unknown>[]>('queues')
    expect(crawls).toMatchObject({
      queue: 'crawls',
      waiting: 2,
      running: 0,
      delayed: 1,
      failed: 0,
      at_once: 20,
    })
    expect(crawls?.oldest_seconds).toBeGreaterThanOrEqual(90)
    expect(crawls?.oldest_seconds).toBeLessThan(100)
    expect(crawls?.held_seconds).toBeGreaterThan(20)
    expect(inquiries).toMatchObject({ queue: 'inquiries', at_once: null, held_seconds: 0 })
    expect(inquiries?.failed).toBeGreaterThan(0)
    expect((await cli.run('queues')).out).toMatch(
      /^crawls +2 +0 of 20 +1 +0 +1 min 3\d s +held for (30|2\d) s$/m,
    )
  })
})
