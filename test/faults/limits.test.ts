/** Limits of the machine: no free file descriptor, and logs that nothing takes. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { beforeEach, describe, expect, type TestContext, test } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { findExecutable } from '../helpers/executables.ts'
import { useRedis } from '../helpers/redis.ts'
import { type Member, startInstallation } from './installation.ts'
import { expectSurvival, plainScript, submitAndWatch, submitMany } from './people.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')
const SETTINGS = { REDIS_URL: redis.url }
beforeEach(() => client.flushall())

const hasLimits = existsSync('/proc/self/limits') && findExecutable('prlimit') !== undefined

/** Allows this process so many open files from now on. */
const allowFiles = ({ pid }: Member, count: number): unknown =>
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${count}:`])
const openFiles = ({ pid }: Member): number => readdirSync(`/proc/${pid}/fd`).length

/** Seconds of processor time that a process has used. */
function cpuSeconds({ pid }: Member): number {
  const [user = 0, system = 0] =
    readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ').slice(11, 13).map(Number) ?? []
  return (user + system) / 100
}

describe.runIf(hasLimits)('a process at its limit of open files (needs prlimit and /proc)', () => {
  test('a server refuses further connections, keeps its watchers, says so once, and accepts again', async (ctx) => {
    const halfway = await startInstallation(ctx, { settings: SETTINGS, openFiles: { server: 96 } })
    const server = halfway.servers[0] as Member
    const { port } = new URL(halfway.urls[0] as string)
    const people = await submitMany(4, () => submitAndWatch(halfway, plainScript(60, 100), ['socket']))
    await eventually(() => expect(people.every(({ watchers }) => watchers[0]?.shown)).toBe(true))
    let refused = 0
    const crowd: Socket[] = []
    const arrive = (): void => {
      const socket = connect(Number(port), '127.0.0.1').on('error', () => {})
      socket.on('close', () => refused++)
      crowd.push(socket)
    }
    const cpuBefore = cpuSeconds(server)
    const startedAt = performance.now()
    for (let i = 0; i < 200; i++) arrive()
    // 32 connections are allowed, and all of the watchers stay.
    await eventually(() => expect(refused).toBeGreaterThanOrEqual(168))
    // Then even the reserve is taken away.
    allowFiles(server, openFiles(server))
    await eventually(() => {
      for (let i = 0; i < 10; i++) arrive()
      expect(refused).toBeGreaterThanOrEqual(250)
    })
    await eventually(
      () =>
        expect(people.map(({ watchers }) => watchers[0]?.shown?.status)).toEqual(Array(4).fill('completed')),
      { withinMs: 30_000 },
    )
    expect(people.flatMap(({ watchers }) => watchers[0]?.troubles)).toEqual([])
    const share = (cpuSeconds(server) - cpuBefore) / ((performance.now() - startedAt) / 1000)
    expect(share).toBeLessThan(0.8)
    for (const socket of crowd) socket.destroy()
    allowFiles(server, 96)
    const ends = await expectSurvival(ctx, halfway, people, { name: 'server without a free file descriptor' })
    expect(ends).toEqual({ completed: 4 })
    expect(server.ends).toEqual([])
    expect(halfway.logs().match(/connections are refused/g)).toHaveLength(1)
  })

  test('a worker without a free file descriptor calls the bot once there is one', async (ctx) => {
    const halfway = await startInstallation(ctx, { settings: SETTINGS })
    const worker = halfway.workers[0] as Member
    // Once a request has ended, the worker has opened its connections to Redis: it opens those of a queue when it learns of the
    // queue from a bot, after it says that it is ready.
    const [first] = await submitMany(1, () => submitAndWatch(halfway, plainScript(1, 0), ['socket']))
    await eventually(() => expect(first?.watchers[0]?.shown?.status).toBe('completed'))
    const limit = openFiles(worker)
    allowFiles(worker, limit)
    const people = await submitMany(20, () => submitAndWatch(halfway, plainScript(4, 200)))
    await eventually(() => expect(halfway.logs()).toContain('attempt failed'), { withinMs: 30_000 })
    allowFiles(worker, limit + 1_000)
    const ends = await expectSurvival(ctx, halfway, people, { name: 'worker without a free file descriptor' })
    expect(ends).toEqual({ completed: 20 })
    expect(worker.ends).toEqual([])
  })
})

test.skipIf(!existsSync('/dev/full'))(
  'every process serves on with a log that goes to a full device (needs /dev/full)',
  (ctx) => serveWithout(ctx, 'full'),
)
test('every process serves on with a log that goes to a closed pipe', (ctx) => serveWithout(ctx, 'closed'))
test('every process serves on with a log that goes to a pipe that is not read', (ctx) =>
  serveWithout(ctx, 'unread'))

async function serveWithout(ctx: TestContext, output: 'full' | 'closed' | 'unread'): Promise<void> {
  const halfway = await startInstallation(ctx, { settings: SETTINGS, output })
  const members = [...halfway.servers, ...halfway.workers, ...halfway.bots]
  const people = await submitMany(60, () => submitAndWatch(halfway, plainScript(8, 50)))
  const ends = await expectSurvival(ctx, halfway, people, { name: `log output ${output}` })
  expect(ends).toEqual({ completed: 60 })
  expect(members.flatMap((member) => member.ends)).toEqual([])
}
