/** `bot-test`: a bot that does everything right passes, and each mistake fails its own check. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { Verdict } from '../../cli/bot-test/kit.ts'
import { type BotTestOptions, runBotTest } from '../../cli/bot-test/run-bot-test.ts'
import { freePort } from '../../core/redis/local-server.ts'

const FIXTURES = fileURLToPath(new URL('../helpers/fixtures', import.meta.url))
const TOKEN = 'a-token-of-the-tests'

const tinyBot = (mistake = ''): string =>
  `"${process.execPath}" "${join(FIXTURES, 'tiny-bot.mjs')}" ${mistake && `"${mistake}"`}`

const testBot = async (
  mistake: string,
  options: Partial<BotTestOptions> = {},
): Promise<Map<string, Verdict>> => {
  const verdicts = await runBotTest({
    url: `http://127.0.0.1:${await freePort()}`,
    token: TOKEN,
    serverPort: 0,
    code: '222222',
    command: tinyBot(mistake),
    env: { PATH: process.env.PATH },
    signal: new AbortController().signal,
    ...options,
    limits: { watch: 300, ...options.limits },
  })
  return new Map(verdicts.map((verdict) => [verdict.check, verdict]))
}
const failed = (verdicts: Map<string, Verdict>): string[] =>
  [...verdicts.values()].filter(({ result }) => result === 'fail').map(({ check }) => check)

describe.concurrent('bot-test', () => {
  it('a bot that does everything right passes every check', async () => {
    const verdicts = await testBot('')
    expect([...verdicts.values()].filter(({ result }) => result !== 'ok')).toEqual([])
    expect(verdicts.size).toBe(19)
  })

  it.each([
    ['no token', 'token', 'must be 401'],
    ['any service', 'services', 'must be 404 unknown_service'],
    ['500', 'bad bodies', 'a body of cut JSON: 500 invalid_json, must be 4xx'],
    ['resumes nothing', 'session_lost', 'must be session_lost'],
    ['no attempt', 'reports', 'X-Attempt is missing'],
    ['backwards', 'progress', 'progress goes down, from 10 to 5'],
    ['unknown step', 'progress', 'the step "third" is not in the definition (first, second)'],
    ['misfit', 'result', 'count: must be a number'],
    ['oversize', 'size', 'result_too_large'],
    ['any code', 'code', 'it accepted a wrong code'],
    ['leak', 'code', 'a code is in a report (progress)'],
    ['twice', 'same hash twice', 'did the work twice'],
    ['ignores close', 'closed call', 'a closed connection means stop'],
    ['ignores cancel', 'cancel', '409 already_final means stop'],
    ['complete again', 'late success', 'complete again and again'],
    ['no repetition', 'server away', 'must be repeated'],
    ['accepts while draining', 'drain', 'a new request after SIGTERM'],
    ['ends at once', 'drain', 'was not finished'],
    ['drains in silence', 'drain', '"draining": true'],
  ])('a bot with the mistake "%s" fails only the check "%s"', async (mistake, check, why) => {
    const verdicts = await testBot(mistake)
    expect(verdicts.get(check)?.why).toContain(why)
    expect(failed(verdicts)).toEqual([check])
  })

  it('a bot that is silent for too long fails the check "silence"', async () => {
    const verdicts = await testBot('silent', { limits: { silence: 800 } })
    expect(verdicts.get('silence')?.why).toMatch(/no report and no heartbeat for \d/)
    expect(failed(verdicts)).toEqual(['silence'])
  })

  it('everything that is wrong with a definition is named', async () => {
    const verdicts = await testBot('step twice', { data: { mobile: '09123456789' } })
    expect(verdicts.get('announces')?.why).toContain('steps[1].id: is there twice')
    expect(failed(verdicts)).toEqual(['announces'])
  })
})
