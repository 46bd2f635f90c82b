/** Server, workers, bots and command line with the users of docs/SECURITY.md, on a real Redis. */
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freePort } from '../../core/redis/local-server.ts'
import { ACL_CONF, ACL_LINES, type AclUser, addressFor, refusedByAcl } from '../helpers/acl-lines.ts'
import { knowsService } from '../helpers/announced.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { useCli } from '../helpers/cli.ts'
import { eventually } from '../helpers/eventually.ts'
import { TEST_BOT } from '../helpers/halfway.ts'
import { onRealRedis, useFolder } from '../helpers/redis.ts'
import { type RedisProcess, startSingle } from '../helpers/redis-servers.ts'
import { newestCode } from '../helpers/test-bot/codes.ts'

const MOBILE = '09121234567'
const PERSON = {
  'credit-score-rating': { mobile: MOBILE, national_code: '0012345679' },
  'account-statement': { mobile: MOBILE, account_number: '1234567890123' },
  'three-provider-inquiry': { national_code: '0012345679' },
}

interface Installation {
  url: string
  codes: string
  children: Record<'server' | 'workers' | 'bots' | 'tasks', Child>
  cli: ReturnType<typeof useCli>
}

async function startInstallation(redis: RedisProcess): Promise<Installation> {
  const codes = join(useFolder(), 'codes')
  const [port, botPort] = [await freePort(), await freePort()]
  const env = {
    NODE_ENV: 'test',
    PORT: String(port),
    LOCAL_API_PORT: String(botPort),
    LOCAL_API_TOKEN: 'a-token-of-the-tests',
    LOG_LEVEL: 'info',
    CLOSE_AFTER_FAILURES: '50',
    METRICS_TOKEN: 'a-token-of-the-metrics',
    ADMIN_TOKEN: 'a-token-of-the-console',
    TEST_BOT_CODES: codes,
    CONCURRENCY_DRIVER: 'redis',
    CONCURRENCY_REDIS_CONNECTION: addressFor('halfway-tasks', redis),
  }
  const start = (file: string, user: AclUser, args: string[] = []): Child =>
    startChild(file, args, { ...env, REDIS_URL: addressFor(user, redis) })
  const tasks = new URL('../helpers/test-bot/tasks.ts', import.meta.url).href
  const children = {
    server: start('server/main.ts', 'halfway-server'),
    workers: start('workers/main.ts', 'halfway-workers'),
    bots: start(TEST_BOT, 'halfway-bots'),
    tasks: start('bots/concurrency-processor/main.ts', 'halfway-tasks', ['--timeout', '0', '--tasks', tasks]),
  }
  const ready = { server: 'server is', workers: 'workers are', bots: 'bots are', tasks: 'processor is' }
  for (const [name, child] of Object.entries(children)) {
    const started = child.waitForOutput(`${ready[name as keyof typeof ready]} ready`)
    const ended = child.ended.then(() => {
      throw new Error(`${name} did not start: ${child.output()}`)
    })
    ended.catch(() => {})
    await Promise.race([started, ended])
  }
  const url = `http://127.0.0.1:${port}`
  await knowsService(url, 'credit-score-rating')
  const cli = useCli(
    { url: addressFor('halfway-cli', redis) },
    { ...env, LOCAL_API_URL: `http://127.0.0.1:${botPort}` },
  )
  return { url, codes, children, cli }
}

async function submit(
  { url }: Installation,
  service: string,
  data: Record<string, unknown>,
  more = {},
): Promise<string> {
  const response = await fetch(`${url}/api/local-requests`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() },
    body: JSON.stringify({ service_slug: service, request_data: data, ...more }),
  })
  const body = (await response.json()) as { hash: string }
  expect(response.status, JSON.stringify(body)).toBe(202)
  return body.hash
}

async function reaches(
  { url }: Installation,
  hash: string,
  status: string,
): Promise<Record<string, unknown>> {
  return eventually(
    async () => {
      const view = (await (await fetch(`${url}/api/local-requests/${hash}/status`)).json()) as Record<
        string,
        unknown
      >
      expect(view).toMatchObject({ status })
      return view
    },
    { withinMs: 30_000, everyMs: 50 },
  )
}

async function completeWithCode(halfway: Installation, service = 'credit-score-rating'): Promise<string> {
  const hash = await submit(halfway, service, PERSON[service as keyof typeof PERSON])
  await reaches(halfway, hash, 'otp_required').catch((error: Error) => {
    const output = Object.values(halfway.children).map((child) => child.output())
    throw new Error(`${error.message}\n${output.join('\n')}`)
  })
  const events = fetch(`${halfway.url}/api/local-requests/${hash}/events`).then((response) => response.text())
  const otp = await newestCode(halfway.codes, MOBILE)
  const answer = await fetch(`${halfway.url}/api/local-requests/${hash}/otp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ otp }),
  })
  expect(answer.status).toBe(202)
  await reaches(halfway, hash, 'completed')
  expect(await events).toContain('completed')
  return hash
}

describe.skipIf(!onRealRedis)('the users of docs/SECURITY.md', { timeout: 120_000 }, () => {
  test('run every process and command without a single refusal', async () => {
    const redis = await startSingle(ACL_CONF)
    const halfway = await startInstallation(redis)
    const hash = await completeWithCode(halfway)
    const tasks = await submit(halfway, 'three-provider-inquiry', PERSON['three-provider-inquiry'])
    await reaches(halfway, tasks, 'completed')
    await completeWithCode(halfway, 'account-statement')
    const failed = await submit(halfway, 'link-check', { url: 'http://127.0.0.1:1/' })
    await reaches(halfway, failed, 'failed')

    const scheduled = await submit(halfway, 'credit-score-rating', PERSON['credit-score-rating'], {
      delay: 3600,
    })
    const { cli } = halfway
    for (const args of [
      ['doctor'],
      ['queues'],
      ['services'],
      ['list'],
      ['show', hash],
      ['show', hash, '--raw'],
      ['watch', hash],
      ['queues', 'hold', 'inquiries'],
      ['queues', 'resume', 'inquiries'],
      ['queues', 'limit', 'inquiries', '--concurrency', '3'],
      ['queues', 'limit', 'inquiries', '--reset'],
      ['services', 'close', 'link-check'],
      ['services', 'open', 'link-check'],
      ['cancel', scheduled],
      ['failed', 'list'],
      ['failed', 'retry', '--all'],
      ['cleanup', '--dry-run'],
      ['cleanup'],
      ['healthcheck', 'workers'],
    ]) {
      const run = await cli.run(...args)
      expect.soft(run.out + run.err, args.join(' ')).not.toMatch(/no right|permission|NOPERM/i)
      if (args[0] === 'doctor') expect(run.out).toContain('✓ Workers: 1 process')
    }
    await reaches(halfway, scheduled, 'cancelled')
    const pages = ['/', '/services/credit-score-rating', '/readyz', '/metrics', '/admin']
    for (const path of pages)
      await fetch(halfway.url + path, { headers: { authorization: 'Bearer a-token-of-the-metrics' } })
    expect((await fetch(`${halfway.url}/readyz`)).status).toBe(200)
    expect(await refusedByAcl(redis)).toEqual([])
    for (const child of Object.values(halfway.children)) child.process.kill('SIGTERM')
    expect(await Promise.all(Object.values(halfway.children).map(({ ended }) => ended))).toEqual([0, 0, 0, 0])
    expect(await refusedByAcl(redis)).toEqual([])
  })

  test('that lose every right while their processes run end none of them, and are named until they have it again', async () => {
    const redis = await startSingle(ACL_CONF)
    const halfway = await startInstallation(redis)
    const all = Object.entries(halfway.children)
    // Not while a queue is being opened.
    await completeWithCode(halfway)
    for (const [name] of all) await redis.run('ACL', 'SETUSER', `halfway-${name}`, '-@all')
    for (const [, child] of all) await child.waitForOutput('Redis refuses a command for want of a right')
    await eventually(async () => {
      const response = await fetch(`${halfway.url}/readyz`)
      expect(response.status).toBe(503)
      const { checks } = (await response.json()) as { checks: Record<string, string> }
      expect(checks.redis).toMatch(/^the user "halfway-server" of Redis has no right to the command /)
    })
    for (const line of ACL_LINES.values()) await redis.run('ACL', 'SETUSER', ...line.split(' ').slice(1))
    await eventually(async () => expect((await fetch(`${halfway.url}/readyz`)).status).toBe(200), {
      withinMs: 30_000,
      everyMs: 100,
    })
    await completeWithCode(halfway)
    for (const [name, child] of all) {
      expect(child.process.exitCode, name).toBeNull()
      expect(child.output(), name).not.toMatch(/unhandled|uncaught/)
      expect(child.output().match(/for want of a right/g), name).toHaveLength(1)
    }
  })
})
