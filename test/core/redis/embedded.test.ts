import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openRedis } from '../../../core/redis/connect.ts'
import { type EmbeddedRedis, startOrJoinEmbedded } from '../../../core/redis/embedded.ts'
import { isRedisUp } from '../../../core/redis/local-server.ts'
import type { RedisTarget } from '../../../core/runtime/redis-target.ts'
import { createRequestStore } from '../../../core/store/request-store.ts'
import { startChild } from '../../helpers/child.ts'
import { eventually } from '../../helpers/eventually.ts'
import { progressTo, REQUIRE_OTP, START } from '../../helpers/record.ts'
import { onRealRedis, quiet, useFolder, useRedis } from '../../helpers/redis.ts'
import { useRequests } from '../../helpers/requests.ts'
import { collectLog } from '../../helpers/server.ts'

let TMPDIR: string
const real = process.env.TMPDIR
beforeEach(() => {
  TMPDIR = useFolder()
  process.env.TMPDIR = TMPDIR
})
afterEach(() => {
  if (real === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = real
})

const folder = () => join(TMPDIR, readdirSync(TMPDIR).find((name) => name.startsWith('halfway-')) as string)
const ownerFile = () => join(folder(), 'owner.json')
const owner = () => JSON.parse(readFileSync(ownerFile(), 'utf8')) as { ownerPid: number; serverPid: number }
const isGone = (redis: EmbeddedRedis) =>
  eventually(async () => expect(await isRedisUp(redis.target.url)).toBe(false))
const joinElsewhere = () => startChild('test/helpers/fixtures/embedded.ts', [], { TMPDIR })

describe.runIf(onRealRedis)('the private Redis', () => {
  it('the private Redis is started and stopped by the first process and joined by the others', async () => {
    const first = await startOrJoinEmbedded(quiet)
    const second = await startOrJoinEmbedded(quiet)
    expect(second.target).toEqual(first.target)
    await second.stop()
    expect(await isRedisUp(first.target.url)).toBe(true)
    await first.stop()
    await isGone(first)
  })

  it('the command line joins the private Redis of any owner and neither starts nor stops it', async () => {
    const child = () => startChild('cli/main.ts', ['list'], { TMPDIR, REDIS_URL: '', LOG_LEVEL: 'info' })
    const without = child()
    expect(await without.ended).toBe(4)
    expect(without.output()).toContain('no private one is running: start Halfway first')

    const redis = await startOrJoinEmbedded(quiet)
    writeFileSync(ownerFile(), JSON.stringify({ ...owner(), ownerPid: 2 ** 22 + 1 }))
    const withOne = child()
    expect(await withOne.ended).toBe(0)
    expect(withOne.output()).toBe('No requests found.\n')
    expect(await isRedisUp(redis.target.url)).toBe(true)
    await redis.stop()
    await isGone(redis)
  })

  it('the private Redis is started once when several callers in one process start it concurrently', async () => {
    const started: EmbeddedRedis[] = await Promise.all([
      startOrJoinEmbedded(quiet),
      startOrJoinEmbedded(quiet),
      startOrJoinEmbedded(quiet),
    ])
    const connections = await openRedis(started[0]?.target as RedisTarget, quiet)
    const info = await (await connections.connect('patient')).info('server')
    const { serverPid } = owner()
    expect(Number(/process_id:(\d+)/.exec(info)?.[1])).toBe(serverPid)
    await connections.stop()
    // Only the process that started it stops it.
    for (const redis of started) await redis.stop()
    await isGone(started[0] as EmbeddedRedis)
    await eventually(() => expect(() => process.kill(serverPid, 0)).toThrow())
  })

  it('the private Redis is in a folder that only this user can enter', async () => {
    const redis = await startOrJoinEmbedded(quiet)
    expect(statSync(folder()).mode & 0o777).toBe(0o700)
    expect(statSync(ownerFile()).mode & 0o777).toBe(0o600)
    await redis.stop()
  })

  it('another process joins the private Redis and leaves it running when it exits', async () => {
    const mine = await startOrJoinEmbedded(quiet)
    const other = joinElsewhere()
    await other.waitForOutput(mine.target.url)
    other.process.stdin?.end()
    expect(await other.ended).toBe(0)
    expect(await isRedisUp(mine.target.url)).toBe(true)
    await mine.stop()
  })

  it('one private Redis is started when several processes start concurrently', async () => {
    const others = [joinElsewhere(), joinElsewhere(), joinElsewhere()]
    await Promise.all(others.map((child) => child.waitForOutput('redis.sock')))
    const { ownerPid, serverPid } = owner()
    const mine = await startOrJoinEmbedded(quiet)
    const connections = await openRedis(mine.target, quiet)
    const info = await (await connections.connect('patient')).info('server')
    expect(Number(/process_id:(\d+)/.exec(info)?.[1])).toBe(serverPid)
    await connections.stop()
    // Processes that joined leave it running; the one that started it stops it.
    const isOwner = (child: (typeof others)[number]) => child.process.pid === ownerPid
    for (const child of others.filter((child) => !isOwner(child))) child.process.stdin?.end()
    for (const child of others.filter((child) => !isOwner(child))) expect(await child.ended).toBe(0)
    expect(await isRedisUp(mine.target.url)).toBe(true)
    others.find(isOwner)?.process.stdin?.end()
    await isGone(mine)
  })

  it('a private Redis whose owner was killed is taken over with its data by the next process', async () => {
    const killed = joinElsewhere()
    await killed.waitForOutput('redis.sock')
    killed.process.kill('SIGKILL')
    await killed.ended
    const heir = await startOrJoinEmbedded(quiet)
    expect(owner().ownerPid).toBe(process.pid)
    await heir.stop()
    await isGone(heir)
  })

  it('a process that starts while the owner stops waits, and starts a private Redis of its own', async () => {
    const stopping = await startOrJoinEmbedded(quiet)
    const { serverPid } = owner()
    stopping.announceStop()
    const next = startOrJoinEmbedded(quiet)
    expect(await isRedisUp(stopping.target.url)).toBe(true)
    await stopping.stop()
    const redis = await next
    expect(owner().serverPid).not.toBe(serverPid)
    expect(await isRedisUp(redis.target.url)).toBe(true)
    await redis.stop()
    await isGone(redis)
  })

  it('a private Redis whose owner was killed is taken over by one of the callers that join it concurrently', async () => {
    const killed = joinElsewhere()
    await killed.waitForOutput('redis.sock')
    killed.process.kill('SIGKILL')
    await killed.ended
    const { log, lines } = collectLog('info')
    const joined = await Promise.all([startOrJoinEmbedded(log), startOrJoinEmbedded(log)])
    expect(lines.filter((line) => line.includes('taking over'))).toHaveLength(1)
    for (const redis of joined) await redis.stop()
    await isGone(joined[0])
  })

  it('a private Redis is started again when only the note of its owner is left', async () => {
    const before = await startOrJoinEmbedded(quiet)
    const note = readFileSync(ownerFile(), 'utf8')
    await before.stop()
    writeFileSync(ownerFile(), note)
    const redis = await startOrJoinEmbedded(quiet)
    expect(await isRedisUp(redis.target.url)).toBe(true)
    await redis.stop()
    await isGone(redis)
  })
})

describe('the JavaScript Redis', async () => {
  const redis = await useRedis({ engine: 'js' })
  const { client, store, given, applyCommand, foreignWrite, watcher, otpMailbox } = await useRequests(redis)

  it('the JavaScript Redis takes a request from submit to result', async () => {
    const { record } = await given(START, progressTo(30), REQUIRE_OTP)
    const views: number[] = []
    const watch = await watcher.watch(record.hash, {
      onUpdate: ({ view }) => void views.push(view.version),
      onExpired: () => {},
    })
    const waiting = otpMailbox.waitFor(record.hash)
    await applyCommand(record.hash, { type: 'submit_otp', otp: '123456' })
    expect(await waiting).toEqual({ code: '123456' })
    await applyCommand(record.hash, { type: 'complete', attempt: 1, result: { score: 712 } })
    await eventually(() => expect(views).toEqual([5, 6]))
    expect((await store.read(record.hash))?.record).toMatchObject({
      status: 'completed',
      result_data: { score: 712 },
    })
    watch.stop()
  })

  it('the JavaScript Redis loses no update of concurrent writers, foreign ones included', async () => {
    const { record } = await given(START)
    await Promise.all(Array.from({ length: 20 }, (_, i) => applyCommand(record.hash, progressTo(i))))
    await foreignWrite(record.hash, { progress: 60 })
    expect((await store.read(record.hash))?.record).toMatchObject({ version: 23, progress: 60 })
  })

  it('the JavaScript Redis deletes an expired request', async () => {
    const brief = createRequestStore({ redis: client, ttlSeconds: 0.2 })
    const { record } = await given(START)
    expect((await brief.apply(record.hash, { type: 'cancel', by: 'user' })).ok).toBe(true)
    await eventually(async () => expect(await store.read(record.hash)).toBeNull())
  })
})
