/** Two worker processes, one of which is frozen: the console, `doctor` and the metrics name it until it goes on. */
import { hostname } from 'node:os'
import { load } from 'cheerio'
import { expect, test } from 'vitest'
import { freePort } from '../../core/redis/local-server.ts'
import { announceServices } from '../helpers/announced.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { useCli } from '../helpers/cli.ts'
import { ADMIN_TOKEN } from '../helpers/console.ts'
import { eventually } from '../helpers/eventually.ts'
import { samplesOf, sumOf } from '../helpers/metrics.ts'
import { useRedis } from '../helpers/redis.ts'

const LONG = { withinMs: 60_000, everyMs: 250 }
const METRICS_TOKEN = 'q8Vw2Lr7Zt4Xn9Bd6Kf3'

const redis = await useRedis()
await announceServices(await redis.connections.connect('patient'))
const port = await freePort()
const url = `http://127.0.0.1:${port}`
const env = {
  REDIS_URL: redis.url,
  NODE_ENV: 'test',
  LOG_LEVEL: 'info',
  LOCAL_API_TOKEN: 'a-token-of-the-tests',
}
const start = (file: string, settings = {}): Child => startChild(file, [], { ...env, ...settings })
const nameOf = ({ process }: Child): string => `${hostname()}:${process.pid}`

const signIn = (): Promise<string> =>
  eventually(async () => {
    const response = await fetch(`${url}/admin/sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: url },
      body: new URLSearchParams({ token: ADMIN_TOKEN }),
      redirect: 'manual',
    })
    expect(response.status).toBe(303)
    return response.headers.get('set-cookie')?.split(';')[0] ?? ''
  }, LONG)

/** What each says of the worker processes. */
async function observed(cookie: string) {
  const page = async (path: string) =>
    load(await (await fetch(url + path, { headers: { cookie, accept: 'text/html' } })).text())
  const metrics = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } })
  const samples = samplesOf(await metrics.text())
  const [english, persian] = [await page('/admin'), await page('/admin?lang=fa')]
  const table = english('#workers table').first()
  return {
    rows: table.find('tbody tr').length,
    marked: table.find('tbody tr:has(.bad) td:first-child').text(),
    lastWord: table.find('.bad').text(),
    complaint: english('.served li').text(),
    persian: persian('.served li').text(),
    workers: sumOf(samples, 'halfway_workers'),
    silent: sumOf(samples, 'halfway_workers_silent'),
  }
}

test('a frozen one of two worker processes is named by console, doctor and metrics, and no more when it goes on; a stopped one is not', async () => {
  const server = start('server/main.ts', { PORT: String(port), ADMIN_TOKEN, METRICS_TOKEN })
  const [frozen, other] = [start('workers/main.ts'), start('workers/main.ts')]
  await Promise.all([
    server.waitForOutput('server is ready'),
    ...[frozen, other].map((worker) => worker.waitForOutput('workers are ready')),
  ])
  const cookie = await signIn()
  const cli = useCli(redis, env)
  await eventually(async () => {
    expect(await observed(cookie)).toMatchObject({ rows: 2, marked: '', workers: 2, silent: 0 })
  }, LONG)
  expect((await cli.run('doctor')).out).toContain('✓ Workers: 2 processes')

  frozen.process.kill('SIGSTOP')
  await eventually(async () => {
    expect(await observed(cookie)).toMatchObject({
      rows: 2,
      marked: expect.stringContaining(nameOf(frozen)),
      lastWord: expect.stringMatching(/^\d+ s ago, stands still$/),
      complaint: expect.stringContaining(`${nameOf(frozen)} has not been heard from for`),
      persian: expect.stringContaining('خبری نیست'),
      workers: 1,
      silent: 1,
    })
  }, LONG)
  const { out } = await cli.run('doctor')
  expect(out).toMatch(
    new RegExp(
      `^! Worker ${nameOf(frozen)}: has not been heard from for \\d+ s: it is frozen or was killed$`,
      'm',
    ),
  )
  expect(out).toContain(`kill -9 ${frozen.process.pid} `)

  frozen.process.kill('SIGCONT')
  await eventually(async () => {
    expect(await observed(cookie)).toMatchObject({ rows: 2, marked: '', workers: 2, silent: 0 })
  }, LONG)
  expect((await observed(cookie)).complaint).not.toContain('not been heard')

  other.process.kill('SIGTERM')
  expect(await other.ended).toBe(0)
  await eventually(async () => {
    expect(await observed(cookie)).toMatchObject({ rows: 1, marked: '', workers: 1, silent: 0 })
  }, LONG)
})
