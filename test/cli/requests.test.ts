/** `list`, `show`, `cancel`, and what all commands have in common. */
import { describe, expect, test } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { decodeRecord } from '../../core/records/codec.ts'
import { useCli } from '../helpers/cli.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, aRecord, PRIVATE, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'

const redis = await useRedis()
const { client, store, given, applyCommand } = await useRequests(redis)
const cli = useCli(redis)

const running = async (): Promise<string> => (await given(START)).record.hash
const scheduled = async (seconds: number): Promise<string> => {
  const runAt = new Date(Date.now() + seconds * 1000).toISOString()
  const record = aRecord({ run_at: runAt, expires_at: new Date(Date.now() + 9e6).toISOString() })
  await store.create(record)
  await client.zadd(keys.deadlines, Date.parse(runAt), record.hash)
  return record.hash
}

describe('list', () => {
  test('list prints every request, including one scheduled later than the list lives, and nothing private', async () => {
    const [first, second] = [await running(), await running()]
    const later = await scheduled(7200)
    await client.lrem(keys.list, 0, later)
    const { out, code } = await cli.run('list')
    expect(code).toBe(0)
    expect(out).toMatch(/^HASH +SERVICE +STATUS/)
    expect(out).toMatch(new RegExp(`^${second} +test-service +processing +0 %`, 'm'))
    expect(out).toMatch(new RegExp(`^${later} +test-service +in 2 h`, 'm'))
    expect(out).toContain(first)
    for (const secret of Object.values(PRIVATE)) expect(out).not.toContain(secret)
  })

  test('list filters by status and service, and prints how many requests --limit omits', async () => {
    const done = (await given(START, { type: 'complete', attempt: 1, result: 1 })).record.hash
    await store.create(aRecord({ service_slug: 'link-check' }))
    const completed = await cli.json<PublicView[]>('list', '--status', 'completed')
    expect(completed.map(({ hash }) => hash)).toEqual([done])
    const crawls = await cli.json<PublicView[]>('list', '--service', 'link-check')
    expect(crawls.map(({ service_slug }) => service_slug)).toEqual(['link-check'])
    expect((await cli.run('list', '--limit', '1')).out).toMatch(/… and \d+ more, see --limit\./)
    expect((await cli.run('list', '--status', 'cancelled')).out).toBe('No requests found.\n')
  })
})

test('list truncates cells that would push its columns off the screen', async () => {
  await store.create(aRecord({ service_slug: `${'long-'.repeat(50)}\u001b[2J`, step: 's'.repeat(500) }))
  const { out } = await cli.run('list')
  expect(out).toMatch(new RegExp(` {2}${'long-'.repeat(6)}l…  pending +0 % +${'s'.repeat(31)}…  `))
  expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThan(180)
})

describe('show', () => {
  test('show prints status, code and steps of a request, and nothing private', async () => {
    const hash = await running()
    await applyCommand(hash, REQUIRE_OTP)
    const { out, code } = await cli.run('show', hash)
    expect(code).toBe(0)
    expect(out).toMatch(/^Status: +otp_required$/m)
    expect(out).toMatch(/^Code: +requested, 3 tries left/m)
    expect(out).toMatch(/^Deleted in: +(30 min|29 min)/m)
    expect(out).toMatch(/^first +(waiting|current|done)/m)
    for (const secret of Object.values(PRIVATE)) expect(out).not.toContain(secret)
    expect(await cli.json('show', hash)).toMatchObject({ hash, status: 'otp_required', version: 3 })
  })

  test('show --raw prints the whole record', async () => {
    const hash = await running()
    const { out } = await cli.run('show', hash, '--raw')
    const record = decodeRecord((await client.get(keys.record(hash))) ?? '')
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(record)))
    expect(JSON.parse(out)).toMatchObject({
      request_data: { national_code: PRIVATE.request },
      owner_hash: null,
      steps: [{ id: 'first', state: 'waiting', started_at: null, finished_at: null }, {}, {}],
    })
    expect((await cli.run('show', aHash(), '--raw')).code).toBe(3)
  })
})

describe('cancel', () => {
  test('cancel ends a request as the operator, and is refused the second time', async () => {
    const hash = await running()
    expect(await cli.run('cancel', hash)).toMatchObject({ code: 0, out: `Cancelled ${hash}.\n`, err: '' })
    expect((await store.read(hash))?.record).toMatchObject({ status: 'cancelled', cancelled_by: 'operator' })
    const again = await cli.run('cancel', hash)
    expect(again).toMatchObject({ code: 1, err: 'halfway: This request is already over (already_final).\n' })
  })
})

describe('the command line', () => {
  test.each([
    [['show', aHash()], 3, /There is no such request|has been deleted/],
    [['show', 'req_short'], 2, /A hash is req_ and 16 to 64/],
    [['lst'], 2, /Did you mean list\?/],
    [['list', '--status', 'lost'], 2, /Allowed choices are pending, processing/],
    [['list', '--limit', '0'], 2, /a whole number from 1/],
    [['list', '--colour'], 2, /unknown option '--colour'/],
    [['failed', 'retry'], 2, /name one request, or pass --all/],
    [['failed', 'retry', aHash(), '--all'], 2, /name one request, or pass --all/],
  ])('the command line %j is refused with a sentence and an exit code', async (args, code, words) => {
    const run = await cli.run(...args)
    expect(run).toMatchObject({ code, out: '' })
    expect(run.err).toMatch(words)
  })

  test('a command with an invalid setting or without Redis exits with 4', async () => {
    const wrong = useCli(redis, { PORT: 'x' })
    expect(await wrong.run('list')).toMatchObject({ code: 4, err: expect.stringContaining('PORT') })
    const away = useCli({ url: 'redis://127.0.0.1:1' })
    expect(await away.run('list')).toMatchObject({ code: 4, err: expect.stringContaining('does not answer') })
  })

  test('--help describes every command', async () => {
    const all = await cli.run('--help')
    expect(all.code).toBe(0)
    for (const name of ['list', 'show', 'watch', 'cancel', 'failed', 'queues', 'cleanup', 'doctor'])
      expect(all.out).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
    expect(all.out).toContain('Exit codes')
    expect((await cli.run('failed', '--help')).out).toMatch(/retry .*\n?.*retries one or all of them/)
  })
})
