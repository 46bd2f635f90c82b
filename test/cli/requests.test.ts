/** `list`, `show`, `cancel`, and what all commands have in common. */
import { describe, expect, test } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { decodeRecord } from '../../core/records/codec.ts'
import { useCli } from '../helpers/cli.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aHash, aRecord, PRIVATE, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'

const redis = await useRedis()
const { client, store, given, applyCommand } = await useRequests(redis)
const cli = useCli(redis)

const FAILURE = { code: 'portal_closed', message: 'HTTP 418', retryable: false }
/** Digests that begin alike. */
const SAME_REFERENCE = ['req_0000000000092031', 'req_0000000000588419'] as const

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
    await client.del(keys.list)
    const { out, code } = await cli.run('list')
    expect(code).toBe(0)
    expect(out).toMatch(/^HASH +REFERENCE +SERVICE +STATUS/)
    expect(out).toMatch(
      new RegExp(`^${second} +${shortReference(second)} +test-service +processing +0 %`, 'm'),
    )
    expect(out).toMatch(
      new RegExp(`^${later} +${shortReference(later)} +test-service +in (2 h|1 h 59 min)`, 'm'),
    )
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
    expect((await cli.run('list', '--limit', '1')).out).toContain('… and more, see --limit.')
    expect((await cli.run('list', '--status', 'cancelled')).out).toBe('No requests found.\n')
  })
})

test('list filters by the code of a failure and by age', async () => {
  const failed = (await given(START, { type: 'fail', attempt: 1, error: FAILURE })).record.hash
  const old = aRecord({ now: Date.now() - 400_000 })
  await store.create(old)
  const hashesOf = async (...filter: string[]): Promise<string[]> =>
    (await cli.json<PublicView[]>('list', ...filter)).map(({ hash }) => hash)
  expect(await hashesOf('--code', 'portal_closed')).toEqual([failed])
  expect(await hashesOf('--older-than', '5m')).toEqual([old.hash])
  expect((await cli.run('list', '--older-than', 'long')).err).toContain('a time such as 90s')
})

test('list --watch prints requests that come later, until it is interrupted', async () => {
  const watching = cli.start(['list', '--watch', '--service', 'watched-service'])
  await store.create(aRecord({ service_slug: 'watched-service' }))
  const second = aRecord({ service_slug: 'watched-service' })
  await eventually(() => expect(watching.out()).toContain('watched-service'))
  await store.create(second)
  await eventually(() => expect(watching.out()).toContain(second.hash))
  watching.interrupt()
  expect((await watching.ended).code).toBe(0)
})

test('list truncates cells that would push its columns off the screen, and is complete where it is piped', async () => {
  const [slug, step] = ['long-'.repeat(30), 's'.repeat(500)]
  const { hash } = aRecord({ service_slug: `${slug}\u001b[2J`, step })
  await store.create(aRecord({ hash, service_slug: `${slug}\u001b[2J`, step }))
  expect((await cli.run('list')).out).toMatch(
    new RegExp(`^${hash} .* ${slug}\\\\u001b\\[2J  pending +0 % +${step} `, 'm'),
  )
  const { out } = await cli.start(['list'], { isTerminal: true, columns: 80 }).ended
  expect(out).toMatch(new RegExp(`^${shortReference(hash)} +long-[-long]*…  pending +0 % +s+…  `, 'm'))
  expect(out).not.toContain(hash)
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

  test('show finds a request by its short reference, as a person writes it down, and prints what happened', async () => {
    const { record } = await given(START, { type: 'fail', attempt: 1, error: FAILURE })
    const reference = shortReference(record.hash)
    const { out } = await cli.run('show', `${reference.slice(0, 4)}-${reference.slice(4)}`.toLowerCase())
    expect(out).toMatch(new RegExp(`^Request: +${record.hash}$`, 'm'))
    expect(out).toMatch(new RegExp(`^Reference: +${reference}$`, 'm'))
    expect(out).toMatch(/^\S+Z +1 +The work has started\.$/m)
    expect(out).toMatch(/^\S+Z +1 +It ended without a result\.$/m)
    // Of a deleted one, what is kept of failures.
    await client.del(keys.record(record.hash))
    expect((await cli.run('show', reference)).out).toMatch(/\(deleted\)\n(?:.*\n){3}Error: +portal_closed$/m)
  })

  test('show refuses a short reference that no request has, and one that several have', async () => {
    const none = await cli.run('show', '00000000')
    expect(none).toMatchObject({ code: 3, err: expect.stringContaining('begins with 00000000') })
    for (const hash of SAME_REFERENCE) await store.create(aRecord({ hash }))
    const several = await cli.run('show', shortReference(SAME_REFERENCE[0]))
    expect(several.code).toBe(1)
    for (const hash of SAME_REFERENCE) expect(several.err).toContain(hash)
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
  test('cancel stores the reason, and names the request by its short reference as well', async () => {
    const hash = await running()
    const reason = 'سرویس امروز بسته است؛ فردا دوباره می\u200cفرستیم.'
    expect((await cli.run('cancel', shortReference(hash), '--reason', reason)).code).toBe(0)
    const record = (await store.read(hash))?.record
    expect(record).toMatchObject({ status: 'cancelled', cancel_reason: reason })
    expect((await cli.run('cancel', hash, '--reason', 'x'.repeat(201))).err).toContain(
      'at most 200 characters',
    )
  })

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
    [['show', 'req_short'], 2, /named by its short reference/],
    [['lst'], 2, /Did you mean list\?/],
    [['list', '--status', 'lost'], 2, /Allowed choices are pending, processing/],
    [['list', '--limit', '0'], 2, /a whole number from 1/],
    [['list', '--colour'], 2, /unknown option '--colour'/],
    [['failed', 'retry'], 2, /name requests, or pass --all/],
    [['failed', 'retry', aHash(), '--all'], 2, /name requests, or pass --all/],
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
