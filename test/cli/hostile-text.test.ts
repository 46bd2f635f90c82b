/** Text of bots and other programs never acts on the terminal that prints it. */
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { encodeRecord } from '../../core/records/codec.ts'
import { useCli } from '../helpers/cli.ts'
import { eventually } from '../helpers/eventually.ts'
import { keys } from '../helpers/keys.ts'
import { aRecord, REQUIRE_OTP, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'

const HOSTILE =
  'x\u001b]0;title\u0007\u001b[2J\u001b]52;c;eA==\u001b\\\u009b2J\u202egnp\u2066\u200b\u{e0041}\ud800\u007f\r\n✓ All checks passed.\u2028end'
/** Characters that act on a terminal. Line feeds of the output itself are allowed. */
const ACTING = /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u
/** The cursor and colour sequences of @clack. */
const STYLING = new RegExp(`${String.fromCharCode(27)}\\[(?:\\?25[lh]|[0-9;]*[ABCDGJKm])`, 'g')

const redis = await useRedis()
const { client, store, given, applyCommand, foreignWrite } = await useRequests(redis)
const cli = useCli(redis)

const hostile = aRecord({
  service_slug: HOSTILE,
  status: 'processing',
  step: HOSTILE,
  current_message: HOSTILE,
  attempt: 1,
  steps: [{ id: HOSTILE, state: 'current', started_at: null, finished_at: null }],
})
const ERROR = { code: HOSTILE, message: HOSTILE, retryable: false }

/** The output of every command for these requests. */
async function outputs(hashes: readonly string[]): Promise<[string, string][]> {
  const lines = [
    ['list'], ['failed'], ['queues'], ['cleanup', '--dry-run'], ['failed', 'retry', HOSTILE],
    ...hashes.flatMap((hash) => [['show', hash], ['watch', hash], ['failed', 'retry', hash], ['cancel', hash]]),
  ] // biome-ignore format: a list
  const runs = lines.flatMap((args) => [args, [...args, '--json']])
  runs.push(...hashes.map((hash) => ['show', hash, '--raw']))
  const written: [string, string][] = []
  for (const args of runs) written.push([args.join(' '), (await cli.run(...args)).raw])
  return written
}

test('every command escapes hostile text of bots, records, lists and failures', async () => {
  await store.create(hostile)
  const [failed, completed] = [await given(START), await given(START)].map(({ record }) => record.hash)
  await applyCommand(failed as string, { type: 'fail', attempt: 1, error: ERROR })
  await applyCommand(completed as string, { type: 'complete', attempt: 1, result: { [HOSTILE]: HOSTILE } })
  const entry = { hash: HOSTILE, service_slug: HOSTILE, code: HOSTILE, attempts: HOSTILE, failed_at: HOSTILE }
  await client.zadd(keys.failed, Date.now(), HOSTILE)
  await client.hset(keys.failedEntries, HOSTILE, JSON.stringify(entry))
  await client.lpush(keys.list, HOSTILE)
  await client.set(keys.record(HOSTILE), encodeRecord({ ...hostile, hash: HOSTILE }))
  await applyCommand(hostile.hash, { type: 'fail', attempt: 1, error: ERROR })
  const all = await outputs([hostile.hash, failed as string, completed as string])
  for (const [command, raw] of all) {
    expect.soft(raw, command).not.toMatch(ACTING)
    expect.soft(raw, command).not.toMatch(/^✓ All checks passed/m)
  }
  // The text is printed, escaped.
  expect(all.filter(([, raw]) => raw.includes('\\u001b]0;title\\u0007')).length).toBeGreaterThan(8)
})

test('JSON output with hostile text is equivalent JSON', async () => {
  const { hash } = (await given(START)).record
  await applyCommand(hash, { type: 'complete', attempt: 1, result: { words: HOSTILE } })
  const { result_data } = await cli.json<{ result_data: unknown }>('show', hash)
  expect(result_data).toEqual({ words: HOSTILE })
  expect(JSON.parse((await cli.run('show', hash, '--raw')).out).result_data).toEqual({ words: HOSTILE })
})

test('the progress bar and prompts escape hostile text', async () => {
  const { hash } = (await given(START)).record
  await applyCommand(hash, { type: 'progress', attempt: 1, progress: 10, message: HOSTILE })
  const run = cli.start(['watch', hash], { isTerminal: true })
  await eventually(() => expect(run.out()).toContain('\\u001b]0;title'))
  await applyCommand(hash, {
    ...REQUIRE_OTP,
    otp: { id: 'otp', sent_to: HOSTILE, message: HOSTILE },
  } as typeof REQUIRE_OTP)
  await eventually(() => expect(run.out()).toContain('or "new" for a new code'))
  await foreignWrite(hash, { status: 'failed', error_data: ERROR })
  const { raw } = await run.ended
  const unstyled = raw.replace(STYLING, '')
  expect(unstyled.replaceAll('\r', '')).not.toMatch(ACTING)
  expect(unstyled).toContain('\\u001b]0;title')
})

describe('doctor', () => {
  const server = createServer((_req, res) => {
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ services: [HOSTILE] }))
  })
  afterAll(() => void server.close())

  test('doctor escapes hostile text of bots and settings', async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const LOCAL_API_URL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    for (const settings of [{ LOCAL_API_URL }, { LOCAL_API_URL, REDIS_URL: HOSTILE }, { PORT: HOSTILE }])
      expect((await useCli(redis, settings).run('doctor')).raw).not.toMatch(ACTING)
  }, 30_000)
})

test('only terminal.ts, prompts.ts and main.ts write to the terminal', () => {
  const folder = new URL('../../cli/', import.meta.url)
  const files = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => name.endsWith('.ts'))
  const writing = files.filter((name) =>
    /\.write\(|@clack|process\.std|\bconsole\./.test(readFileSync(new URL(name, folder), 'utf8')),
  )
  expect(writing.sort()).toEqual(['main.ts', 'terminal.ts', 'watch/prompts.ts'])
})
