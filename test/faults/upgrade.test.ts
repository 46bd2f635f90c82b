/**
 * Two versions side by side on one Redis: the release before (previous-release.ts) and this one. Every person is a browser
 * with a session of its own. A server of the release before does not know the sessions of this one: it has no digests of them.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, inject, it, type TestFunction } from 'vitest'
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import { freePort } from '../../core/redis/local-server.ts'
import { recordTraffic, useBrowser } from '../helpers/browser.ts'
import { isBrowserMissing } from '../helpers/browsers.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { useCli } from '../helpers/cli.ts'
import { eventually } from '../helpers/eventually.ts'
import { onRealRedis, useFolder, useRedis } from '../helpers/redis.ts'
import { newestCode } from '../helpers/test-bot/codes.ts'
import './fault-meta.ts'
import {
  call,
  type Kind,
  newMobile,
  openPage,
  type Person,
  reaches,
  submitForm,
  view,
} from './form-people.ts'
import { buildPrevious, hasPrevious } from './previous-release.ts'

type Version = 'old' | 'new'
const VERSIONS = ['old', 'new'] as const
const other = (version: Version): Version => (version === 'old' ? 'new' : 'old')

const missing = !onRealRedis ? 'redis-server' : hasPrevious ? null : 'the history of git'
const test = (name: string, run: TestFunction): void =>
  it.skipIf(missing !== null)(missing === null ? name : `${name} (needs ${missing})`, run)

const redis = await useRedis()
const codes = join(useFolder(), 'codes')
const preload: Partial<Record<Version, string[]>> = { new: ['--require', inject('runBundled')] }

/** Installations on the same Redis that do not see each other. */
const inInstallation = (KEY_PREFIX: string): NodeJS.ProcessEnv => ({
  REDIS_URL: redis.url,
  KEY_PREFIX,
  NODE_ENV: 'test',
  LOG_LEVEL: 'info',
  LOCAL_API_TOKEN: 'a-token-of-the-tests',
  TEST_BOT_CODES: codes,
  SUBMITS_PER_MINUTE: '100000',
  ACTIONS_PER_MINUTE: '100000',
  // A machine that is busy with other tests is no Redis that fails.
  REDIS_COMMAND_TIMEOUT_MS: '10000',
})

async function start(version: Version, main: string, args: string[], env: NodeJS.ProcessEnv): Promise<Child> {
  const child = startChild(main, args, env, preload[version])
  await child.waitForOutput('"msg":"started"')
  return child
}

interface Process {
  child: Child
  url: string
}

async function startServer(version: Version, env: NodeJS.ProcessEnv, port?: number): Promise<Process> {
  const PORT = String(port ?? (await freePort()))
  return {
    child: await start(version, 'server/main.ts', [], { ...env, PORT }),
    url: `http://127.0.0.1:${PORT}`,
  }
}

const startWorker = (version: Version, env: NodeJS.ProcessEnv, ...args: string[]): Promise<Child> =>
  start(version, 'workers/main.ts', args, env)

async function startBot(version: Version, env: NodeJS.ProcessEnv, services: string): Promise<Child> {
  const LOCAL_API_PORT = String(await freePort())
  return start(version, 'test/faults/fixtures/upgrade-bot.ts', [], {
    ...env,
    LOCAL_API_PORT,
    UPGRADE_SERVICES: services,
  })
}

const MOVED = 'moved'
const startEach = (version: Version, env: NodeJS.ProcessEnv) =>
  Promise.all([
    startServer(version, env),
    startWorker(version, env),
    startBot(version, env, `${MOVED}:${MOVED}`),
  ])

async function stop(child: Child): Promise<void> {
  child.process.kill('SIGTERM')
  expect(await child.ended).toBe(0)
}

const codesOf = ({ mobile }: Person): number =>
  readFileSync(codes, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(`${mobile} `)).length

/** Types the code at this server; the end is right at both, and no second code was sent. */
async function typeAndComplete(typedAt: string, urls: readonly string[], person: Person): Promise<void> {
  const otp = await newestCode(codes, person.mobile)
  expect((await call(typedAt, person, 'otp', { otp })).status).toBe(202)
  for (const url of urls)
    expect((await reaches(url, person, 'completed')).result_data).toMatchObject({ kind: person.kind })
  expect(codesOf(person)).toBe(1)
}

const side = inInstallation('side:')
const servers = {} as Record<Version, Process>
/** The service that this version's bot serves and that version's worker works. */
const slugOf = (bot: Version, worker: Version): string => `bot-${bot}-worker-${worker}`

beforeAll(async () => {
  if (missing !== null) return
  preload.old = ['--require', await buildPrevious()]
  await Promise.all(
    VERSIONS.map(async (version) => {
      servers[version] = await startServer(version, side)
      await startWorker(version, side, '--queue', `of-${version}`)
      const services = VERSIONS.map((worker) => `${slugOf(version, worker)}:of-${worker}`)
      await startBot(version, side, services.join(','))
    }),
  )
}, 300_000)

const combinations = VERSIONS.flatMap((server) =>
  VERSIONS.flatMap((worker) => VERSIONS.map((bot) => [server, worker, bot] as const)),
)
for (const [server, worker, bot] of combinations)
  test(`a request of the ${server} server, with the ${worker} worker and the ${bot} bot, completes at both servers`, async () => {
    const [here, there] = [servers[server].url, servers[other(server)].url]
    const slug = slugOf(bot, worker)
    const [plain, open, again] = await Promise.all(
      (['plain', 'open', 'again'] as const).map((kind) => submitForm(there, here, slug, kind)),
    )
    for (const url of [here, there]) {
      expect((await reaches(url, plain as Person, 'completed')).result_data).toEqual({ kind: 'plain' })
      expect((await openPage(url, plain as Person, 'result')).status).toBe(200)
    }
    for (const person of [open, again] as Person[]) {
      for (const url of [here, there]) {
        expect((await reaches(url, person, 'otp_required')).otp_data).toMatchObject({ length: 6 })
        expect((await openPage(url, person, 'otp')).status).toBe(200)
      }
      await typeAndComplete(there, [here, there], person)
    }
  })

test('pages of both versions find their style and script at either server', async () => {
  const assets = await Promise.all(
    VERSIONS.map(async (version) => {
      const html = await (await fetch(`${servers[version].url}/services/${slugOf('old', 'old')}`)).text()
      return [...html.matchAll(/"(\/assets\/[\w-]+\.[0-9a-f]{10}\.(?:css|js))"/g)].map(([, path]) => path)
    }),
  )
  // Else both servers would be of one version.
  expect(assets[0]).not.toEqual(assets[1])
  for (const path of assets.flat())
    for (const { url } of Object.values(servers))
      expect((await fetch(`${url}${path}`)).status, path).toBe(200)
})

const browser = useBrowser()
for (const version of VERSIONS)
  it.skipIf(missing !== null || isBrowserMissing)(
    `a page of the ${version} server with the style and script of the other one is live`,
    async () => {
      const page = await browser.open()
      const traffic = recordTraffic(page)
      await page.route('**/assets/**', async (route) => {
        const asset = await fetch(servers[other(version)].url + new URL(route.request().url()).pathname)
        const { status, headers } = asset
        await route.fulfill({
          status,
          contentType: headers.get('content-type') ?? '',
          body: Buffer.from(await asset.arrayBuffer()),
        })
      })
      const mobile = newMobile()
      await page.goto(`${servers[version].url}/services/${slugOf(version, version)}`)
      await page.fill('[name=mobile]', mobile)
      await page.fill('[name=kind]', 'open')
      await page.click('main form [type=submit]')
      await page.fill('[name=otp]', await newestCode(codes, mobile))
      await page.click('form:has([name=otp]) [type=submit]')
      await page.waitForURL('**/result/**')
      // The script of the release before misses texts that pages no longer have (`live.resend_in`,
      // `live.connection.reconnecting`): its countdown and that note are then not shown.
      if (version === 'old') expect(traffic.errors).toEqual([])
    },
  )

test('each version has the services that bots of both have announced', async () => {
  for (const { url } of Object.values(servers)) {
    const { services } = (await (await fetch(`${url}/api/services`)).json()) as {
      services: { slug: string }[]
    }
    expect(services.map(({ slug }) => slug)).toEqual(
      expect.arrayContaining(VERSIONS.flatMap((bot) => VERSIONS.map((worker) => slugOf(bot, worker)))),
    )
  }
})

test('a request of the old server belongs to its session at the new one', async () => {
  const env = { ...inInstallation('owned:'), OWNER_CHECK: 'all' }
  const [before, after, bot] = await Promise.all([
    startServer('old', env),
    startServer('new', env),
    startBot('old', env, `${MOVED}:${MOVED}`),
  ])
  const [person, stranger] = [
    await submitForm(before.url, before.url, MOVED, 'plain'),
    await submitForm(before.url, before.url, MOVED, 'plain'),
  ]
  expect((await call(after.url, person, 'status')).status).toBe(200)
  expect((await call(after.url, { ...person, cookie: stranger.cookie }, 'status')).status).toBe(403)
  await Promise.all([before.child, after.child, bot].map(stop))
})
/** Runs the command line of a version, and resolves with what it prints. */
async function cli(version: Version, ...args: string[]): Promise<string> {
  if (version === 'new') {
    const { code, out } = await useCli(redis, side).run(...args)
    expect(code, out).toBe(0)
    return out
  }
  const child = startChild('cli/main.ts', args, side, preload.old)
  expect(await child.ended, child.output()).toBe(0)
  return child.output()
}

test('each version lists the requests and the failures of both, and sends a failure of the other again', async () => {
  const failed = {} as Record<Version, Person>
  for (const version of VERSIONS) {
    failed[version] = await submitForm(
      servers[version].url,
      servers[version].url,
      slugOf(version, version),
      'fail',
    )
    await reaches(servers[other(version)].url, failed[version], 'failed')
  }
  const hashes = VERSIONS.map((version) => failed[version].hash)
  for (const version of VERSIONS) {
    for (const command of [
      ['failed', 'list'],
      ['list', '--limit', '100'],
    ]) {
      const listed = await cli(version, ...command, '--json')
      for (const hash of hashes) expect(listed).toContain(hash)
    }
    await cli(version, 'failed', 'retry', failed[other(version)].hash)
  }
})

test('a queue that the new command line holds is held for the old worker, and resumed for it', async () => {
  const { url } = servers.old
  await cli('new', 'queues', 'hold', 'of-old')
  const held = await submitForm(url, url, slugOf('old', 'old'), 'plain')
  // Of another queue, and submitted later.
  const free = await submitForm(url, url, slugOf('old', 'new'), 'plain')
  await reaches(url, free, 'completed')
  expect((await view(url, held)).status).toBe('pending')
  await cli('new', 'queues', 'resume', 'of-old')
  await reaches(url, held, 'completed')
})

const submitByApi = (url: string, mobile: string): Promise<Response> =>
  fetch(`${url}/api/local-requests`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': 'one-key' },
    body: JSON.stringify({ service_slug: slugOf('old', 'old'), request_data: { mobile, kind: 'plain' } }),
  })

test('an Idempotency-Key that the old server has seen replays its request at the new one', async () => {
  const first = await submitByApi(servers.old.url, '09125550001')
  const again = await submitByApi(servers.new.url, '09125550001')
  expect([first.status, again.status]).toEqual([202, 202])
  const { hash } = (await first.json()) as { hash: string }
  expect(await again.json()).toMatchObject({ hash })
  expect((await submitByApi(servers.new.url, '09125550002')).status).toBe(422)
})

for (const from of VERSIONS) {
  const to = other(from)
  test(`the code of the ${from} bot is typed once at the ${to} server, whose processes have replaced all others`, async () => {
    const env = inInstallation(`${from}-to-${to}:`)
    const [server, worker, bot] = await startEach(from, env)
    const waiting = await Promise.all([
      submitForm(server.url, server.url, MOVED, 'open'),
      submitForm(server.url, server.url, MOVED, 'again'),
    ])
    for (const person of waiting) await reaches(server.url, person, 'otp_required')
    await stop(worker)
    const queued = await submitForm(server.url, server.url, MOVED, 'plain')

    const [next, ...others] = await startEach(to, env)
    await stop(server.child)
    bot.process.kill('SIGTERM')
    for (const person of waiting) await typeAndComplete(next.url, [next.url], person)
    await reaches(next.url, queued, 'completed')
    expect(await bot.ended).toBe(0)
    await Promise.all([next.child, ...others].map(stop))
  })
}

const PEOPLE = 30

for (const from of VERSIONS) {
  const to = other(from)
  test(`every request completes, with one code, while all ${from} processes are replaced by ${to} ones`, async (ctx) => {
    const env = inInstallation(`rolling-to-${to}:`)
    const [server, worker, bot] = await startEach(from, env)
    let { url } = server

    const person = async (i: number): Promise<PublicView> => {
      await sleep(i * 100)
      const person = await submitForm(url, url, MOVED, (['plain', 'open', 'again'] as const)[i % 3] as Kind)
      if (person.kind !== 'plain') {
        await eventually(async () => expect((await view(url, person)).status).toBe('otp_required'), {
          everyMs: 100,
        })
        await sleep(Math.random() * 1000)
        await typeAndComplete(url, [], person)
      }
      return eventually(
        async () => {
          const seen = await view(url, person)
          expect(isFinal(seen.status)).toBe(true)
          return seen
        },
        { everyMs: 100 },
      )
    }
    const everyPerson = Promise.all(Array.from({ length: PEOPLE }, (_, i) => person(i)))

    const bots = await startBot(to, env, `${MOVED}:${MOVED}`)
    await stop(bot)
    const workers = await startWorker(to, env)
    await stop(worker)
    const next = await startServer(to, env)
    // The proxy sends nothing to a server that is about to stop.
    url = next.url
    await stop(server.child)
    const completed = (await everyPerson).filter(({ status }) => status === 'completed')
    ctx.task.meta.fault = {
      name: `everything replaced one by one, ${from} to ${to} version`,
      requests: PEOPLE,
      survived: completed.length,
    }
    expect(completed).toHaveLength(PEOPLE)
    await Promise.all([bots, workers, next.child].map(stop))
  })
}
