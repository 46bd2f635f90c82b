/**
 * How many of the project's files one progress write and one push to a socket enter: a file counts when one of its
 * functions is called, by V8's precise coverage.
 */
import { Session } from 'node:inspector/promises'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { io } from 'socket.io-client'
import { expect, test } from 'vitest'
import { createUpdater } from '../bots/updater.ts'
import type { PublicView } from '../core/domain/record.ts'
import { encodeView } from '../core/records/codec.ts'
import { cleanUp } from './helpers/clean-up.ts'
import { keys } from './helpers/keys.ts'
import { START } from './helpers/record.ts'
import { useRedis } from './helpers/redis.ts'
import { useServer } from './helpers/server.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SHIPPED = /^(?:core|bots|server)\//
const CALLS = 24
const MAX_FILES_OF_A_PROGRESS_WRITE = 22
const MAX_FILES_OF_A_PUSH = 7

const redis = await useRedis()
const server = await useServer(redis)

const session = new Session()
session.connect()
cleanUp(async () => {
  // Coverage keeps V8 from optimizing what later files of this worker run.
  await session.post('Profiler.stopPreciseCoverage')
  session.disconnect()
})
await session.post('Profiler.enable')
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })

/** The files with a function that was called since the last coverage was taken. */
async function takeCalledFiles(): Promise<Set<string>> {
  const { result } = await session.post('Profiler.takePreciseCoverage')
  const called = result.filter(({ functions }) =>
    functions.some(({ ranges }) => ranges.some(({ count }) => count > 0)),
  )
  const paths = called.map(({ url }) => relative(ROOT, url.startsWith('file:') ? fileURLToPath(url) : url))
  return new Set(paths.map((path) => path.replaceAll('\\', '/')).filter((path) => SHIPPED.test(path)))
}

/**
 * The files that every one of several calls enters. A timer that fires meanwhile enters others, but not each time.
 *
 * @param always files that every call must enter. A call of a busy machine that took another path does not count. Functions
 * that V8 has inlined while earlier test files ran are not seen.
 */
async function filesEnteredBy(call: () => Promise<unknown>, always: string[]): Promise<string[]> {
  // The first call opens, reads and caches what later ones find.
  await call()
  const runs: Set<string>[] = []
  for (let i = 0; i < CALLS; i++) {
    await takeCalledFiles()
    await call()
    runs.push(await takeCalledFiles())
  }
  const whole = runs.filter((run) => always.every((path) => run.has(path)))
  expect(whole.length, runs.map((run) => [...run].join()).join('\n')).toBeGreaterThan(0)
  const [first] = whole
  return [...(first ?? [])].filter((path) => whole.every((run) => run.has(path))).sort()
}

test(`a progress write enters at most ${MAX_FILES_OF_A_PROGRESS_WRITE} files`, async () => {
  const updater = await createUpdater({ redis: redis.url })
  cleanUp(() => updater.stop())
  const hash = await server.given([START])
  let progress = 10
  const write = () => updater.updateProgress(hash, progress++, 'second', 'Signing in…')
  const files = await filesEnteredBy(write, ['bots/updater.ts', 'core/redis/scripts.ts'])
  expect((await updater.read(hash))?.progress).toBe(progress - 1)
  expect(files.length, files.join('\n')).toBeLessThanOrEqual(MAX_FILES_OF_A_PROGRESS_WRITE)
})

test(`a push to a socket enters at most ${MAX_FILES_OF_A_PUSH} files`, async () => {
  // A client of its own, because the publisher is another process.
  const publisher = new Redis(redis.url.replace('unix://', ''))
  cleanUp(() => publisher.disconnect())
  const hash = await server.given([START])
  const socket = io(server.address, { transports: ['websocket'], forceNew: true, reconnection: false })
  cleanUp(() => void socket.disconnect())
  const { data } = await socket.timeout(10_000).emitWithAck('request:watch', { hash })
  let { version } = data as PublicView
  const channel = keys.channel(hash)
  const push = async () => {
    const next = { ...(data as PublicView), version: ++version, progress: 10 + version }
    const pushed = new Promise<void>((resolve) => {
      socket.on('request:update', (view: PublicView) => view.version === next.version && resolve())
    })
    await publisher.publish(channel, encodeView(next))
    await pushed
  }
  const files = await filesEnteredBy(push, ['core/pubsub/watched-request.ts', 'server/socket-limits.ts'])
  expect(files.length, files.join('\n')).toBeLessThanOrEqual(MAX_FILES_OF_A_PUSH)
})
