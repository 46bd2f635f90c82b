/** `server --processes`: several server processes behind one port, as one process for those who start and stop it. */
import { readFileSync } from 'node:fs'
import { io } from 'socket.io-client'
import { expect, it } from 'vitest'
import { freePort } from '../../core/redis/local-server.ts'
import { startChild } from '../helpers/child.ts'
import { eventually } from '../helpers/eventually.ts'
import { progressTo, START } from '../helpers/record.ts'
import { useRedis } from '../helpers/redis.ts'
import { useRequests } from '../helpers/requests.ts'

/** From /proc, which Linux has. */
const childrenOf = (pid: number | undefined): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** A connection that arrives in the moment of the kill may be lost with the process. */
async function expectAlive(url: string): Promise<void> {
  expect((await fetch(`${url}/livez`, { signal: AbortSignal.timeout(1_000) })).status).toBe(200)
}

async function startServers(processes: number) {
  const redis = await useRedis()
  const [port, metricsPort] = [await freePort(), await freePort()]
  const env = { REDIS_URL: redis.url, PORT: String(port), METRICS_PORT: String(metricsPort) }
  const child = startChild('server/main.ts', ['--processes', String(processes)], env)
  await child.waitForOutput(processes === 1 ? 'server is ready' : 'servers are ready')
  return { redis, child, url: `http://127.0.0.1:${port}`, metricsPort }
}

it('servers share a port, pass on every state to watchers of each, and stop together', async () => {
  const { redis, child, url, metricsPort } = await startServers(2)
  const { given, applyCommand } = await useRequests(redis)
  const { hash } = (await given(START)).record
  const sockets = Array.from({ length: 8 }, () => io(url, { transports: ['websocket'], forceNew: true }))
  const seen = sockets.map((socket) => {
    const progress: number[] = []
    socket.on('request:update', (view) => progress.push(view.progress))
    return progress
  })
  for (const socket of sockets)
    expect(await socket.emitWithAck('request:watch', { hash })).toMatchObject({ ok: true })
  await applyCommand(hash, progressTo(40))
  await eventually(() => expect(seen.every((progress) => progress.includes(40))).toBe(true))
  // Each has metrics of its own: connections are spread over both.
  const watchers = await Promise.all(
    [metricsPort, metricsPort + 1].map(async (port) => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
      return Number(/^halfway_watchers\{[^}]*transport="websocket"[^}]*\} (\d+)$/m.exec(text)?.[1])
    }),
  )
  expect(watchers.reduce((sum, count) => sum + count)).toBe(8)
  expect(Math.min(...watchers)).toBeGreaterThan(0)
  for (const socket of sockets) socket.close()

  const servers = childrenOf(child.process.pid)
  expect(servers).toHaveLength(2)
  child.process.kill('SIGTERM')
  expect(await child.ended).toBe(0)
  expect(servers.filter(isAlive)).toEqual([])
})

it('a server process that is killed is started again, and the others answer meanwhile', async () => {
  const { child, url } = await startServers(2)
  const [killed, other] = childrenOf(child.process.pid) as [number, number]
  process.kill(killed, 'SIGKILL')
  await eventually(() => expectAlive(url))
  await child.waitForOutput('a process exited unexpectedly, restarting it')
  await eventually(() => {
    const now = childrenOf(child.process.pid)
    expect(now).toHaveLength(2)
    expect(now).toContain(other)
  })
  await eventually(() => expectAlive(url))
})

it('a port that is in use is one sentence, and no process stays', async () => {
  const { child, url } = await startServers(1)
  const port = new URL(url).port
  const second = startChild('server/main.ts', ['--processes', '2'], {
    REDIS_URL: (await useRedis()).url,
    PORT: port,
  })
  expect(await second.ended).toBe(1)
  expect(second.output()).toContain(`Port ${port} is already in use`)
  child.process.kill('SIGTERM')
  expect(await child.ended).toBe(0)
})
