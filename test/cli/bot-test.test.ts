/** `bot-test`: a bot that does everything right passes, and each mistake fails its own check. */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { exampleData } from '../../cli/bot-test/example-data.ts'
import type { CheckVerdict } from '../../cli/bot-test/kit.ts'
import { type BotTestOptions, runBotTest } from '../../cli/bot-test/run-bot-test.ts'
import { FIELD_KINDS } from '../../core/catalog/field-definition.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { useCli } from '../helpers/cli.ts'
import { useFolder } from '../helpers/redis.ts'
import { definitions, toService } from '../helpers/services.ts'

const FIXTURES = fileURLToPath(new URL('../helpers/fixtures', import.meta.url))
const TOKEN = 'a-token-of-the-tests'

const tinyBot = (mistake = ''): string =>
  `"${process.execPath}" "${join(FIXTURES, 'tiny-bot.mjs')}" ${mistake && `"${mistake}"`}`

const testBot = async (
  mistake: string,
  options: Partial<BotTestOptions> = {},
): Promise<Map<string, CheckVerdict>> => {
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
const failed = (verdicts: Map<string, CheckVerdict>): string[] =>
  [...verdicts.values()].filter(({ result }) => result === 'fail').map(({ check }) => check)

/** A bot that only answers: it announces nothing and reports nothing. */
async function startAnsweringBot(): Promise<string> {
  const done = new Map<string, unknown>()
  const server = createServer(async (req, res) => {
    const send = (status: number, body: object): void =>
      void res.writeHead(status, { connection: 'close' }).end(JSON.stringify(body))
    if (req.url === '/health') return send(200, {})
    if (req.headers.authorization !== `Bearer ${TOKEN}`) return send(401, {})
    if (req.url === '/api/services') return send(200, { services: ['answering'] })
    if (req.url !== '/api/services/answering') return send(404, { status: 'error', code: 'unknown_service' })
    const body = (await json(req).catch(() => null)) as { requestHash?: string } | null
    const hash = body?.requestHash ?? ''
    if (!/^req_[\w-]{16,}$/.test(hash)) return send(422, { status: 'error', code: 'validation_failed' })
    if (req.headers['x-resume']) return send(200, { status: 'error', code: 'session_lost' })
    const data = done.get(hash) ?? { number: Math.random() }
    done.set(hash, data)
    send(200, { status: 'success', data })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterAll(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
const ANSWERING = {
  slug: 'answering',
  title: 'Answering',
  result: { fields: [{ name: 'number', type: 'number', label: 'Number' }] },
}

/** A CLI that uses no Redis. */
const cli = useCli({ url: 'redis://127.0.0.1:1' }, { PATH: process.env.PATH, LOCAL_API_TOKEN: TOKEN })

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
    ['no resend', 'code', 'the submitter asked for another code: it answered confused'],
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

  it('a bot made with the library passes every check', async () => {
    const command = `"${process.execPath}" --require "${inject('runBundled')}" test/helpers/fixtures/own-bot.ts`
    const verdicts = await testBot('', { command })
    expect([...verdicts.values()].filter(({ result }) => result !== 'ok')).toEqual([])
  })

  it('a bot that only answers passes, and what cannot be seen is not applicable', async () => {
    const url = await startAnsweringBot()
    const options = { url, command: undefined, code: undefined, definition: ANSWERING }
    const verdicts = await testBot('', options)
    expect(failed(verdicts)).toEqual([])
    expect(verdicts.get('result')?.result).toBe('ok')
    expect(verdicts.get('same hash twice')?.result).toBe('ok')
    for (const check of ['announces', 'progress', 'code', 'closed call', 'cancel', 'late success', 'drain'])
      expect(verdicts.get(check), check).toMatchObject({ result: 'skip' })
  })

  it('a bot that announces nothing fails with what it needs', async () => {
    const url = await startAnsweringBot()
    const limits = { announce: 100 }
    const verdicts = await testBot('', { url, command: undefined, slug: 'answering', limits })
    expect(failed(verdicts)).toEqual(['announces'])
    expect(verdicts.get('announces')?.why).toMatch(/start it with HALFWAY_URL=http:\/\/127\.0\.0\.1:\d+ /)
  })

  it('the first check that fails as bot_crashed has the last lines of the output of the bot', async () => {
    const verdicts = [...(await testBot('crashes')).values()]
    const shown = verdicts.filter(({ output }) => output !== undefined)
    expect(shown).toHaveLength(1)
    expect(shown[0]).toMatchObject({ check: 'completes', result: 'fail' })
    expect(shown[0]?.why).toContain('bot_crashed')
    expect(shown[0]?.output).toHaveLength(10)
    expect(shown[0]?.output?.slice(-2)).toEqual([
      'Error: the portal has no form',
      '    at work (tiny-bot.mjs)',
    ])
  })

  it('a command that ends is reported with its output', async () => {
    const verdicts = await testBot('', { command: 'echo no such bot' })
    expect([...verdicts.values()]).toEqual([
      { check: 'answers', result: 'fail', why: expect.stringContaining('no such bot') },
    ])
  })

  it('without a code, a bot that asks for one cannot complete', async () => {
    const verdicts = await testBot('', { code: undefined })
    expect(failed(verdicts)).toEqual(['completes'])
    expect(verdicts.get('completes')?.why).toBe('it asks for a code: give the right one with --code')
  })
})

describe('the command line of bot-test', () => {
  const url = async (): Promise<string> => `http://127.0.0.1:${await freePort()}`

  it('prints a table and exits with 0 when every check passes', async () => {
    const { code, out } = await cli.run(
      ...['bot-test', await url(), '--server-port', '0', '--run', tinyBot(), '--code', '222222'],
    )
    expect(out).toMatch(/^CHECK +WHAT WAS SEEN$/m)
    expect(out).toMatch(/^announces +✓ +announces "tiny"$/m)
    expect(out).toMatch(/^19 checks, 0 failed, 0 not applicable\.$/m)
    expect(code).toBe(0)
  })

  it('prints the last lines of a bot that crashed below the table', async () => {
    const run = ['--server-port', '0', '--run', tinyBot('crashes'), '--code', '222222']
    const { out } = await cli.run('bot-test', await url(), ...run)
    expect(out).toMatch(
      /\nThe output of the bot ends, where the check "completes" failed:\n( {4}in between\n){8} {4}Error: the portal has no form\n {8}at work/,
    )
  })

  it('prints JSON with --json, uses --definition, --data and --token, and exits with 1 when a check fails', async () => {
    const file = join(useFolder(), 'service.json')
    const field = { name: 'mobile', type: 'mobile', label: 'Mobile' }
    writeFileSync(file, JSON.stringify({ ...ANSWERING, fields: [field], result: { fields: [] } }))
    const data = JSON.stringify({ mobile: '09123456789' })
    const { code, out } = await cli.run(
      ...['bot-test', await startAnsweringBot(), '--server-port', '0', '--definition', file],
      ...['--data', data, '--token', 'another-token-of-tests', '--json'],
    )
    const verdicts = JSON.parse(out) as CheckVerdict[]
    expect(verdicts.find(({ check }) => check === 'completes')).toMatchObject({ result: 'fail' })
    expect(verdicts.find(({ check }) => check === 'services')?.why).toContain('GET /api/services: 401')
    expect(code).toBe(1)
  })

  it.each([
    ['--data', '[1]', 'It must be a JSON object.'],
    ['--pid', 'x', 'It must be a whole number'],
    ['ftp://bot', '', 'It must be http://host:port.'],
  ])('refuses %s %s', async (option, value, why) => {
    const { code, err } = await cli.run('bot-test', option, ...(value ? [value] : []))
    expect(err).toContain(why)
    expect(code).toBe(2)
  })

  it('names the option when the port of the server is taken', async () => {
    const taken = new URL(await startAnsweringBot()).port
    const { code, err } = await cli.run('bot-test', await url(), '--server-port', taken)
    expect(err).toContain(`Port ${taken} is already in use`)
    expect(err).toContain('--server-port')
    expect(code).toBe(4)
  })

  it('starts no bot where another one answers', async () => {
    const taken = await startAnsweringBot()
    const { code, err } = await cli.run('bot-test', taken, '--server-port', '0', '--run', tinyBot())
    expect(err).toContain(`Something answers at ${taken} already`)
    expect(code).toBe(4)
  })
})

describe('the data of a request', () => {
  it.each(definitions.map((definition) => [definition.slug, definition] as const))(
    'the examples of %s are valid data',
    (_slug, definition) => {
      expect(exampleData(toService(definition), {})).toMatchObject({ ok: true })
    },
  )

  it('a field of every type has an example', () => {
    const options = [{ value: 'a', label: 'A' }]
    const fields = FIELD_KINDS.map((type, i) => ({
      name: `field_${i}`,
      type,
      label: type,
      ...(type.startsWith('choice') && { options }),
    }))
    expect(exampleData(toService({ slug: 'x', title: 'X', fields }), {})).toMatchObject({ ok: true })
  })

  it('fields that need another value are named', () => {
    const pattern = { regex: '[A-Z]{3}', message: 'Three letters.' }
    const fields = [{ name: 'flight', type: 'text' as const, label: 'Flight', pattern }]
    const service = toService({ slug: 'x', title: 'X', fields })
    expect(exampleData(service, {})).toEqual({
      ok: false,
      why: 'these fields need other values: flight (pattern). Give them with --data',
    })
    expect(exampleData(service, { flight: 'ABC' })).toEqual({ ok: true, data: { flight: 'ABC' } })
  })
})
