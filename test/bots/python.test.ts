/** The library for bots in Python, and its example. */
import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { startBotProcess } from '../../cli/bot-test/bot-process.ts'
import type { CheckVerdict } from '../../cli/bot-test/kit.ts'
import { type BotTestOptions, runBotTest } from '../../cli/bot-test/run-bot-test.ts'
import { shortReference } from '../../core/domain/short-reference.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'
import { isPythonMissing } from '../helpers/python.ts'
import { aHash, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useServer } from '../helpers/server.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const EXAMPLE = `python3 "${join(ROOT, 'bots/python/examples/file_checksum.py')}"`
const ASKING = `python3 "${join(ROOT, 'test/helpers/fixtures/python/asking_bot.py')}"`
const TOKEN = 'a-token-of-the-tests'
const ENV = { PATH: process.env.PATH, HOME: process.env.HOME, PYTHONDONTWRITEBYTECODE: '1' }
const FILE = randomBytes(300_000)
const SHA256 = createHash('sha256').update(FILE).digest('hex')

async function serve(handle: RequestListener): Promise<string> {
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const redis = await useRedis()
const server = await useServer(redis, { settings: { LOCAL_API_TOKEN: TOKEN } })
const ON_SERVER = { HALFWAY_URL: server.address }

const site = await serve((req, res) => {
  if (req.url === '/moved') return void res.writeHead(302, { location: '/file' }).end()
  if (req.url === '/missing') return void res.writeHead(404).end()
  if (req.url === '/cut') {
    res.writeHead(200, { 'content-length': FILE.length })
    return void res.write(FILE.subarray(0, 1000), () => res.destroy())
  }
  if (req.url === '/endless') return void res.writeHead(200).write('x')
  res.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': FILE.length,
    'last-modified': 'Sat, 31 Jan 2026 09:15:00 GMT',
  })
  res.end(FILE)
})

async function testBot(command: string, options: Partial<BotTestOptions>): Promise<CheckVerdict[]> {
  return runBotTest({
    url: `http://127.0.0.1:${await freePort()}`,
    token: TOKEN,
    serverPort: 0,
    command,
    env: { ...ENV, FILE_CHECKSUM_ALLOW_PRIVATE: 'true' },
    limits: { watch: 300 },
    signal: new AbortController().signal,
    ...options,
  })
}

interface PythonBot {
  call(data: object, options?: CallOptions): Promise<{ status: number; body: Record<string, unknown> }>
  health(): Promise<{ running: number }>
  output(): string
  terminate(): void
  isRunning(): boolean
}
interface CallOptions {
  hash?: string
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** Its server does not answer. */
async function startBot(command: string, slug: string, settings: NodeJS.ProcessEnv = {}): Promise<PythonBot> {
  const url = `http://127.0.0.1:${await freePort()}`
  const env = {
    ...ENV,
    HALFWAY_URL: 'http://127.0.0.1:1',
    BOT_TOKEN: TOKEN,
    BOT_PORT: new URL(url).port,
    ...settings,
  }
  const bot = startBotProcess(command, env)
  cleanUp(() => bot.kill())
  await eventually(() => fetch(`${url}/health`), { everyMs: 50 })
  return {
    output: bot.output,
    terminate: bot.terminate,
    isRunning: bot.isRunning,
    health: async () => (await fetch(`${url}/health`)).json() as Promise<{ running: number }>,
    async call(data, { hash = aHash(), headers = {}, signal } = {}) {
      const response = await fetch(`${url}/api/services/${slug}`, {
        method: 'POST',
        signal,
        headers: { authorization: `Bearer ${TOKEN}`, 'x-attempt': '1', connection: 'close', ...headers },
        body: JSON.stringify({ ...data, requestHash: hash }),
      })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    },
  }
}

const failures = (verdicts: CheckVerdict[]): CheckVerdict[] =>
  verdicts.filter(({ result }) => result !== 'ok')

describe.skipIf(isPythonMissing)('a bot in Python', () => {
  it('passes every check of bot-test (needs Python)', async () => {
    expect(failures(await testBot(ASKING, { code: '222222' }))).toEqual([])
  })

  it('asks questions of other kinds (needs Python)', async () => {
    const data = { mobile: '09123456789', task: 'choice' }
    expect(failures(await testBot(ASKING, { code: 'b', data }))).toEqual([])
  })

  it('stores files for its result (needs Python)', async () => {
    const bot = await startBot(ASKING, 'asking', ON_SERVER)
    const hash = await server.given([START], { service_slug: 'asking' })
    const { body } = await bot.call({ task: 'file' }, { hash })
    const document = { name: 'گزارش 1.pdf', size: 7, id: '1.2' }
    expect(body).toMatchObject({ status: 'success', data: { document } })
    const fileOf = (id: string) => server.api.get(`/services/asking/result/${hash}/files/${id}`).buffer(true)
    expect((await fileOf('1.2').expect(200)).body.toString('latin1')).toBe('%PDF \u0000\xff')
    const { text, headers } = await fileOf('1.1').expect(200)
    expect([text, headers['content-type']]).toEqual(['متن', 'text/plain; charset=utf-8'])
    const other = await server.given([START], { service_slug: 'asking' })
    expect((await bot.call({ task: 'large file' }, { hash: other })).body).toMatchObject({
      code: 'bot_crashed',
    })
    expect(bot.output()).toContain('ReportRefused')
  })

  it('passes the traceparent of a call on with each of its reports, and no other header value (needs Python)', async () => {
    const reports: [path: string, traceparent: string | undefined][] = []
    const url = await serve((req, res) => {
      const { traceparent } = req.headers
      reports.push([req.url?.replace(/.*\//, '') ?? '', traceparent?.toString()])
      res.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
    const bot = await startBot(ASKING, 'asking', { HALFWAY_URL: url })
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    const run = async (given: string) => {
      const hash = aHash()
      await bot.call({ task: 'list' }, { hash, headers: { traceparent: given } })
      return reports.splice(0).filter(([path]) => path === 'progress' || path === 'complete')
    }
    expect(await run(traceparent)).toEqual([
      ['progress', traceparent],
      ['complete', traceparent],
    ])
    expect(await run('Sara')).toEqual([
      ['progress', undefined],
      ['complete', undefined],
    ])
  })

  it('warns once of a step that the service does not have, and of results that do not fit (needs Python)', async () => {
    const bot = await startBot(ASKING, 'asking', ON_SERVER)
    for (const task of ['misfit', 'misfit', 'list', 'list']) {
      const hash = await server.given([START], { service_slug: 'asking' })
      expect((await bot.call({ task }, { hash })).body).toMatchObject({ status: 'success' })
    }
    const warnings = bot.output().match(/WARNING .*: asking .*/g) ?? []
    expect(warnings.map((line) => line.replace(/.*: asking /, ''))).toEqual([
      'reported a step that it does not have: third (its steps: first, second)',
      'returned a result that does not fit its definition: count must be a number',
      'returned a result that does not fit its definition: document must be an object with a name',
      'returned a result that does not fit its definition: it must be an object',
    ])
  })

  it('says in one sentence that its port is taken, and exits with 1 (needs Python)', async () => {
    const env = { ...process.env, ...ENV, BOT_PORT: new URL(site).port, BOT_TOKEN: TOKEN }
    const { status, stderr } = spawnSync(ASKING, { shell: true, env, encoding: 'utf8' })
    expect(stderr).toMatch(
      /^The bot cannot listen at 127\.0\.0\.1:\d+ \(.+\)\. Set BOT_PORT to a free port\.\n$/,
    )
    expect(status).toBe(1)
  })

  it('answers failures with their codes, and a crash without its text (needs Python)', async () => {
    const bot = await startBot(ASKING, 'asking')
    const answer = async (task: string) => (await bot.call({ mobile: '09123456789', task })).body
    expect(await answer('fail')).toEqual({
      status: 'error',
      code: 'closed',
      message: 'The portal is closed.',
      retryable: true,
    })
    const hash = aHash()
    expect((await bot.call({ mobile: '09123456789', task: 'crash' }, { hash })).body).toMatchObject({
      code: 'bot_crashed',
      retryable: true,
      cause: { name: 'RuntimeError', at: expect.stringMatching(/asking_bot\.py:\d+$/) },
    })
    expect(bot.output()).toContain(`asking ${shortReference(hash)}: started`)
    expect(bot.output()).not.toContain(hash)
    expect(await answer('nan')).toMatchObject({ code: 'bot_bad_answer', retryable: false })
    expect(await answer('large')).toMatchObject({ code: 'result_too_large', retryable: false })
    expect(bot.output()).toMatch(/RuntimeError\n( .*\n)+ +File .*asking_bot\.py/)
    expect(bot.output()).not.toContain('09123456789')
  })

  it('refuses more requests than it has room for, and large bodies (needs Python)', async () => {
    const bot = await startBot(ASKING, 'asking', { BOT_CONCURRENCY: '1' })
    const leave = new AbortController()
    const running = bot.call({ task: 'wait' }, { signal: leave.signal })
    await eventually(async () => expect(await bot.health()).toMatchObject({ running: 1 }))
    expect(await bot.call({ task: 'fail' })).toMatchObject({ status: 429, body: { code: 'bot_busy' } })
    expect(await bot.call({ task: 'x'.repeat(300_000) })).toMatchObject({
      status: 413,
      body: { code: 'body_too_large' },
    })
    leave.abort()
    await expect(running).rejects.toThrow()
    await eventually(async () => expect(await bot.health()).toMatchObject({ running: 0 }))
    expect((await bot.call({ task: 'fail' })).body).toMatchObject({ code: 'closed' })
  })

  it('a run goes on while one of its callers is there (needs Python)', async () => {
    const bot = await startBot(ASKING, 'asking')
    const [hash, first, second] = [aHash(), new AbortController(), new AbortController()]
    const calls = [first, second].map(({ signal }) => bot.call({ task: 'wait' }, { hash, signal }))
    await eventually(async () => expect(await bot.health()).toEqual({ status: 'ok', running: 1 }))
    first.abort()
    await expect(calls[0]).rejects.toThrow()
    expect(await bot.health()).toMatchObject({ running: 1 })
    second.abort()
    await expect(calls[1]).rejects.toThrow()
    await eventually(() => expect(bot.output()).toContain('stopped True'))
  })

  it('a handler that catches every Exception stops nevertheless (needs Python)', async () => {
    const bot = await startBot(ASKING, 'asking')
    const leave = new AbortController()
    const running = bot.call({ task: 'swallow' }, { signal: leave.signal })
    await eventually(async () => expect(await bot.health()).toMatchObject({ running: 1 }))
    leave.abort()
    await expect(running).rejects.toThrow()
    await eventually(async () => expect(await bot.health()).toMatchObject({ running: 0 }))
  })

  it('SIGTERM ends what runs for longer than DRAIN_SECONDS (needs Python)', async () => {
    const bot = await startBot(ASKING, 'asking', { DRAIN_SECONDS: '0' })
    const running = bot.call({ task: 'wait' })
    await eventually(async () => expect(await bot.health()).toMatchObject({ running: 1 }))
    bot.terminate()
    expect(await running).toMatchObject({ status: 503, body: { code: 'bot_stopping', retryable: true } })
    await eventually(() => expect(bot.isRunning()).toBe(false))
  })

  it.each([
    [{ BOT_PORT: 'x' }, 'BOT_PORT must be a whole number.'],
    [{ HALFWAY_URL: 'localhost:3000' }, 'HALFWAY_URL must be an http or https address.'],
    [{ HALFWAY_URL: 'https://halfway.example', BOT_TOKEN: '' }, 'Set BOT_TOKEN'],
  ])('does not start with %j (needs Python)', async (settings, why) => {
    const bot = startBotProcess(ASKING, { ...ENV, ...settings })
    await eventually(() => expect(bot.isRunning()).toBe(false))
    expect(bot.output()).toContain(why)
  })
})

describe.skipIf(isPythonMissing)('file_checksum.py', () => {
  it('passes every check of bot-test (needs Python)', async () => {
    const verdicts = await testBot(EXAMPLE, { data: { url: `${site}/file` } })
    expect(failures(verdicts).map(({ check, why }) => [check, why])).toEqual([
      ['code', 'it asks for no code'],
    ])
  })

  it('computes the checksum of a file, after redirects (needs Python)', async () => {
    const bot = await startBot(EXAMPLE, 'file-checksum', { FILE_CHECKSUM_ALLOW_PRIVATE: 'true' })
    const data = { url: `${site}/moved`, algorithm: 'sha256', expected: SHA256.toUpperCase() }
    const other = { url: `${site}/file`, algorithm: 'md5', expected: 'ab' }
    const [moved, direct] = await Promise.all([bot.call(data), bot.call(other)])
    expect(moved.body).toMatchObject({
      status: 'success',
      data: {
        checksum: SHA256,
        comparison: 'equal',
        url: `${site}/file`,
        bytes: FILE.length,
        content_type: 'application/octet-stream',
        modified: '2026-01-31T09:15:00Z',
      },
    })
    expect(direct.body).toMatchObject({
      data: { checksum: createHash('md5').update(FILE).digest('hex'), comparison: 'different' },
    })
  })

  it('names what is wrong with an address (needs Python)', async () => {
    const bot = await startBot(EXAMPLE, 'file-checksum', { FILE_CHECKSUM_ALLOW_PRIVATE: 'true' })
    const codeOf = async (url: string) => (await bot.call({ url, algorithm: 'sha1' })).body.code
    expect(await codeOf(`${site}/missing`)).toBe('refused')
    expect(await codeOf(`${site}/cut`)).toBe('incomplete')
    expect(await codeOf('http://127.0.0.1:1/')).toBe('unreachable')
  })

  it('stops reading when its caller leaves (needs Python)', async () => {
    const bot = await startBot(EXAMPLE, 'file-checksum', { FILE_CHECKSUM_ALLOW_PRIVATE: 'true' })
    const leave = new AbortController()
    const data = { url: `${site}/endless`, algorithm: 'sha256' }
    const running = bot.call(data, { signal: leave.signal })
    await eventually(async () => expect(await bot.health()).toMatchObject({ running: 1 }))
    leave.abort()
    await expect(running).rejects.toThrow()
    await eventually(async () => expect(await bot.health()).toMatchObject({ running: 0 }), {
      withinMs: 5_000,
    })
    // Its log reaches this process on another way than the answer.
    await eventually(() => expect(bot.output()).toContain('caller_gone'))
  })

  it.each(['http://127.0.0.1/', 'http://[::1]/', 'http://localhost/', 'http://10.0.0.1/', 'http://0x7f.1/'])(
    'does not connect to %s (needs Python)',
    async (url) => {
      const bot = await startBot(EXAMPLE, 'file-checksum')
      const { body } = await bot.call({ url, algorithm: 'sha256' })
      expect(body).toMatchObject({ code: 'not_public', retryable: false })
    },
  )
})
