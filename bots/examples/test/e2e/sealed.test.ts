/**
 * With DATA_KEY nothing of what people typed, were sent and got can be read at rest or on its way to Redis: a whole run of
 * every example, searched for in the append-only file, a snapshot, MONITOR, all keys, and the debug logs of all processes.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PublicView } from '../../../../core/domain/record.ts'
import type { RedisClient } from '../../../../core/redis/connect.ts'
import { freePort, installedServer, isRedisUp } from '../../../../core/redis/local-server.ts'
import { cleanUp } from '../../../../test/helpers/clean-up.ts'
import { eventually } from '../../../../test/helpers/eventually.ts'
import { monitorRedis, onRealRedis, useFolder } from '../../../../test/helpers/redis.ts'
import { redisContents } from '../../../../test/helpers/redis-contents.ts'
import { type ExampleHalfway, startExamples } from '../start-examples.ts'

const SITE_PATH = '/diary-of-ann/'
const RUNS = [
  ['credit-score-rating', { mobile: '09121112233', national_code: '0499370899' }],
  ['account-statement', { mobile: '09121112244', account_number: '7234567890128' }],
  ['three-provider-inquiry', { national_code: '0012345768' }],
] as const

describe.skipIf(!onRealRedis)('with DATA_KEY (needs redis-server)', () => {
  const folder = useFolder()
  let halfway: ExampleHalfway
  let redis: Redis
  let monitor = ''
  /** What must not be found, by what it is. */
  const secrets = new Map<string, string>()

  beforeAll(async () => {
    const url = await startPersistentRedis(folder)
    redis = new Redis(url, { retryStrategy: () => null }).on('error', () => {})
    cleanUp(() => redis.disconnect())
    await monitorRedis(url, (command) => {
      monitor += `${command}\n`
    })
    halfway = await startExamples({ REDIS_URL: url, DATA_KEY: randomBytes(32).toString('base64') })
  })
  afterAll(() => halfway?.stop())

  const call = async (path: string, body?: object): Promise<PublicView> => {
    const headers = { 'content-type': 'application/json' }
    const init = body && { method: 'POST', headers, body: JSON.stringify(body) }
    const response = await fetch(`${halfway.url}/api/local-requests${path}`, init)
    expect(response.ok, await response.clone().text()).toBe(true)
    return (await response.json()) as PublicView
  }
  const reaches = (hash: string, part: Partial<PublicView>): Promise<PublicView> =>
    eventually(
      async () => {
        const view = await call(`/${hash}/status`)
        expect(view).toMatchObject(part)
        return view
      },
      { withinMs: 30_000 },
    )

  /** The request's end, with the code where one is asked for. */
  async function run(service_slug: string, request_data: Record<string, string>): Promise<PublicView> {
    for (const [name, value] of Object.entries(request_data)) secrets.set(`${service_slug} ${name}`, value)
    const { hash } = await call('', { service_slug, request_data })
    const { mobile } = request_data
    if (mobile !== undefined) {
      await reaches(hash, { requires_otp: true })
      const otp = await halfway.codeSentTo(mobile)
      secrets.set(`${service_slug} code`, otp)
      await call(`/${hash}/otp`, { otp })
    }
    return reaches(hash, { status: 'completed' })
  }

  it('what was typed, sent and found is read in no file, command, key and log, in no encoding', async () => {
    for (const [slug, data] of RUNS) collect(secrets, slug, (await run(slug, data)).result_data)
    const site = await startSite()
    collect(secrets, 'link-check', (await run('link-check', { url: site })).result_data)
    expect(secrets.size).toBeGreaterThan(20)

    await redis.save()
    const places: Record<string, string> = {
      commands: monitor,
      keys: await redisContents(redis as RedisClient),
      logs: halfway.output(),
    }
    for (const name of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (name.isFile()) places[name.name] = readFileSync(join(name.parentPath, name.name), 'latin1')
    expect(Object.keys(places)).toContain('dump.rdb')
    expect(places.commands).toContain('local_request')

    const found = Object.entries(places).flatMap(([place, text]) =>
      [...secrets].flatMap(([what, secret]) =>
        encodings(secret)
          .filter((encoded) => text.includes(encoded))
          .map((encoded) => `${what} in ${place}: ${encoded}`),
      ),
    )
    expect(found).toEqual([])
  })
})

/** With an append-only file, and snapshots that are not compressed, so that they can be searched. */
async function startPersistentRedis(folder: string): Promise<string> {
  const port = await freePort()
  const settings = {
    port,
    dir: folder,
    appendonly: 'yes',
    appendfsync: 'always',
    rdbcompression: 'no',
    save: '',
  }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const child = spawn(installedServer() as string, args, { stdio: 'ignore' })
  cleanUp(async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const url = `redis://127.0.0.1:${port}`
  await eventually(async () => expect(await isRedisUp(url)).toBe(true))
  return url
}

async function startSite(): Promise<string> {
  const site = createServer((req, res) => {
    const isPage = req.url === SITE_PATH
    res.writeHead(isPage ? 200 : 404, { 'content-type': 'text/html' })
    res.end(isPage ? '<a href="letters-to-bob.html">a link</a>' : '')
  })
  site.listen(0, '127.0.0.1')
  await once(site, 'listening')
  cleanUp(() => {
    site.closeAllConnections()
    site.close()
  })
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}${SITE_PATH}`
}

/** Texts and numbers of a result that are found nowhere else by chance. */
function collect(secrets: Map<string, string>, path: string, value: unknown): void {
  if (typeof value === 'object' && value !== null)
    for (const [name, part] of Object.entries(value)) collect(secrets, `${path}.${name}`, part)
  const text = String(value)
  const isNumber = typeof value === 'number' && text.length >= 6
  // Not an option's name, which the definition has, and not today's date.
  const isCommon = /^[a-z][a-z0-9_]*$/.test(text) || text === new Date().toISOString().slice(0, 10)
  const isText = typeof value === 'string' && text.length >= 8 && !isCommon
  if (isNumber || isText) secrets.set(path, text)
}

/** Also as a part of a longer text in base64, whose form depends on where it begins. */
function encodings(text: string): string[] {
  const bytes = Buffer.from(text)
  const base64 = [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64url')
      .slice(before && before + 1, -2),
  )
  return [
    text,
    bytes.toString('latin1'),
    JSON.stringify(text).slice(1, -1),
    encodeURIComponent(text),
    bytes.toString('hex'),
    ...base64,
  ].filter((encoded) => encoded.length >= 4)
}
