/** How commands look on a terminal, what they print where they are piped, and how they name requests. */
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import type { Command } from '../../core/domain/command.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { displayWidth } from '../../core/runtime/visible-text.ts'
import { announceServices } from '../helpers/announced.ts'
import { useCli } from '../helpers/cli.ts'
import { aRecord, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'

const redis = await useRedis()
const { client, store, given } = await useRequests(redis)
await announceServices(client)
const cli = useCli(redis, { TERM: 'xterm' })

const ESCAPE = '\u001b['
const LONG = 'The portal of the credit bureau is closed until tomorrow morning at eight o’clock. '.repeat(3)
const fail = (code: string): Command => ({
  type: 'fail',
  attempt: 1,
  error: {
    code,
    message: LONG,
    retryable: false,
    cause: { name: 'TypeError', message: "Cannot read 'score'", at: 'workers/run-attempt.ts:98' },
  },
})
const onTerminal = (args: string[], columns = 80) => cli.start(args, { isTerminal: true, columns }).ended
const failed = (await given(START, fail('a_very_long_code_of_a_portal_that_is_closed_for_today'))).record.hash
const asking = (await given(START, REQUIRE_OTP)).record.hash
const done = (await given(START, { type: 'complete', attempt: 1, result: { words: LONG } })).record.hash

describe('on a terminal of 80 columns', () => {
  test.each([
    [['list']],
    [['failed']],
    [['queues']],
    [['services']],
    [['show', failed]],
    [['show', asking]],
    [['show', done]],
    [['cleanup', '--dry-run']],
    [['doctor']],
    [['--help']],
    [['failed', 'retry', '--help']],
    [['cancel', '--help']],
  ])('%j prints no line that is longer', async (args) => {
    const { out } = await onTerminal(args)
    const lines = out.split('\n')
    expect(lines.length).toBeGreaterThan(1)
    expect(lines.filter((line) => displayWidth(line) > 80)).toEqual([])
  })

  test('a long text is wrapped below its beginning and loses no word', async () => {
    const { out } = await onTerminal(['show', failed])
    const [, message = ''] = /^Message: +((?:.*\n(?= ))*.*)\n/m.exec(out) ?? []
    expect(message.split('\n').length).toBeGreaterThan(3)
    expect(message.replace(/\s+/g, ' ')).toBe(LONG.trim())
  })

  test('list --watch shows no more than fits on the screen', async () => {
    for (let i = 0; i < 40; i++) await store.create(aRecord({ service_slug: 'many' }))
    const watching = cli.start(['list', '--watch', '--service', 'many'], { isTerminal: true })
    await expect.poll(() => watching.out()).toContain('… and more, see --limit.')
    expect(watching.out().match(/many/g)?.length).toBeLessThanOrEqual(27)
    watching.interrupt()
    await watching.ended
  })
})

describe('colours', () => {
  test('a terminal shows states in colour; the words are the same without', async () => {
    const { raw, out } = await onTerminal(['list', '--status', 'failed'], 300)
    expect(raw).toContain(`${ESCAPE}31mfailed${ESCAPE}39m`)
    expect(out).toContain('failed')
    expect((await onTerminal(['show', done])).raw).toContain(`${ESCAPE}32mcompleted`)
    expect((await onTerminal(['doctor'])).raw).toContain(`${ESCAPE}32m✓${ESCAPE}39m Settings`)
  })

  test.each([
    ['no terminal', false, {}],
    ['NO_COLOR', true, { NO_COLOR: '1' }],
    ['TERM=dumb', true, { TERM: 'dumb' }],
    ['FORCE_COLOR=0', true, { FORCE_COLOR: '0' }],
  ])('%s switches colours off', async (_why, isTerminal, env) => {
    const plain = useCli(redis, { TERM: 'xterm', ...env })
    for (const command of ['list', 'doctor'])
      expect((await plain.start([command], { isTerminal }).ended).raw).not.toContain(ESCAPE)
  })

  test('FORCE_COLOR switches colours on where there is no terminal', async () => {
    const forced = useCli(redis, { FORCE_COLOR: '1' })
    expect((await forced.run('list')).raw).toContain(`${ESCAPE}31mfailed${ESCAPE}39m`)
  })

  const hasScript = spawnSync('script', ['--version']).status === 0
  test.skipIf(!hasScript)('a real pseudo-terminal gets colours, and 80 columns (needs script)', () => {
    const command = 'stty cols 80 2>/dev/null; exec node --import tsx cli/main.ts list'
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, TERM: 'xterm', REDIS_URL: redis.url }
    const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], { env, encoding: 'utf8' })
    expect(stdout).toContain(`${ESCAPE}31mfailed${ESCAPE}39m`)
    expect(stdout).toContain(shortReference(failed))
    expect(stdout).not.toContain(failed)
  })
})

test('what is piped is complete: hashes, whole words, one line per request', async () => {
  const { out } = await cli.run('failed', 'list')
  expect(out).toMatch(
    new RegExp(
      `^${failed} +${shortReference(failed)} .*a_very_long_code_of_a_portal_that_is_closed_for_today`,
      'm',
    ),
  )
  expect(out).toContain("TypeError: Cannot read 'score' (workers/run-attempt.ts:98)")
})

describe('a request', () => {
  /** Digests that begin alike in their first four characters only. */
  const alike = async (): Promise<[string, string]> => {
    const seen = new Map<string, string>()
    for (let i = 0; ; i++) {
      const hash = `req_${String(i).padStart(16, '0')}`
      const beginning = shortReference(hash).slice(0, 4)
      const other = seen.get(beginning)
      if (other) return [other, hash]
      seen.set(beginning, hash)
    }
  }

  test('every command finds a request by the beginning of its reference', async () => {
    const named = (hash: string): string => shortReference(hash).slice(0, 6).toLowerCase()
    expect((await cli.run('show', named(done))).out).toContain(done)
    expect(await cli.run('watch', named(done))).toMatchObject({ code: 0 })
    expect((await cli.run('failed', 'retry', named(failed))).out).toContain(
      `${failed} was not retried: its service`,
    )
    expect((await cli.run('cancel', named(asking))).out).toBe(`Cancelled ${asking}.\n`)
  })

  test('a beginning that several references have is refused, and names them', async () => {
    const [one, other] = await alike()
    for (const hash of [one, other]) await store.create(aRecord({ hash }))
    const beginning = shortReference(one).slice(0, 4)
    for (const args of [['show'], ['cancel'], ['watch'], ['failed', 'retry']]) {
      const { code, err, out } = await cli.run(...args, beginning)
      expect([code, out]).toEqual([1, ''])
      expect(err).toContain(`2 requests have a reference that begins with ${beginning}: `)
      for (const hash of [one, other]) expect(err).toContain(shortReference(hash))
    }
    expect((await cli.run('show', shortReference(other))).out).toContain(other)
  })

  test('cancel takes several requests, and says which it could not cancel', async () => {
    const [one, other, ended] = [await given(START), await given(START), await given(START, fail('gone'))]
    const hashes = [one, other, ended].map(({ record }) => record.hash)
    const { code, out, err } = await cli.run('cancel', ...hashes.map(shortReference))
    expect(code).toBe(1)
    expect(out).toBe(`Cancelled ${hashes[0]}.\nCancelled ${hashes[1]}.\n`)
    expect(err).toContain(`${hashes[2]} was not cancelled: `)
  })

  test('failed list and failed retry --all take the code of the failures', async () => {
    const hash = (await given(START, fail('bureau_gone'))).record.hash
    const listed = await cli.json<{ hash: string }[]>('failed', 'list', '--code', 'bureau_gone')
    expect(listed.map((one) => one.hash)).toEqual([hash])
    const retried = await cli.run('failed', 'retry', '--all', '--code', 'bureau_gone')
    expect(retried).toMatchObject({ code: 0, out: expect.stringMatching(/of 1 request retried\.\n$/) })
    expect((await cli.run('failed', 'retry', hash, '--code', 'bureau_gone')).code).toBe(2)
  })
})

test('doctor ends with the names of what is wrong, problems first', async () => {
  const { out, code } = await cli.run('doctor')
  expect(code).toBe(1)
  expect(out.trimEnd().split('\n').at(-1)).toMatch(
    /^\d problems: Queue inquiries.*; \d warnings?: Redis .*\.$/,
  )
})
