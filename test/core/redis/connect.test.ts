/** The number of connections that processes open, and their timeouts. */

import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { queuesOf } from '../../../core/catalog/catalog.ts'
import { type ConnectionSettings, openRedis } from '../../../core/redis/connect.ts'
import { freePort } from '../../../core/redis/local-server.ts'
import { announceServices } from '../../helpers/announced.ts'
import { startChild } from '../../helpers/child.ts'
import { useCli } from '../../helpers/cli.ts'
import { eventually } from '../../helpers/eventually.ts'
import { onRealRedis, quiet, useRedis } from '../../helpers/redis.ts'
import { catalog } from '../../helpers/services.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')

/** Names of the connections that an installation of this prefix has open. */
const namesOf = async (prefix: string): Promise<string[]> =>
  [...String(await client.client('LIST')).matchAll(/ name=(\S+)/g)]
    .map(([, name]) => name as string)
    .filter((name) => name.startsWith(`${prefix}halfway:`))
    .map((name) => name.slice(`${prefix}halfway:`.length))

describe.runIf(onRealRedis)('a process', () => {
  test.each([
    ['server/main.ts', [], ['fail-fast', 'subscriber'], 'server is ready'],
    [
      'workers/main.ts',
      [],
      ['patient', 'subscriber', ...queuesOf(catalog).map(() => 'blocking')],
      'workers are ready',
    ],
    ['workers/main.ts', ['--queue', 'crawls'], ['patient', 'subscriber', 'blocking'], 'workers are ready'],
  ])(
    '%s %j holds one connection for commands, one that listens, and one for each queue it waits at',
    async (file, args, expected, ready) => {
      const prefix = `count-${file.split('/')[0]}-${args.length}:`
      const own = await openRedis(redis.target, quiet, { keyPrefix: prefix })
      await announceServices(await own.connect('patient'))
      await own.stop()
      const child = startChild(file, args, {
        REDIS_URL: redis.url,
        KEY_PREFIX: prefix,
        PORT: String(await freePort()),
        LOCAL_API_PORT: String(await freePort()),
        LOG_LEVEL: 'info',
      })
      await child.waitForOutput(ready)
      await eventually(async () => {
        const kinds = (await namesOf(prefix)).map((name) =>
          /^(fail-fast|patient|subscriber)$/.test(name) ? name : 'blocking',
        )
        expect(kinds.sort()).toEqual([...expected].sort())
      })
      if (expected.length > 3) {
        const counted = await useCli(redis, { KEY_PREFIX: prefix }).run('doctor')
        expect(counted.out).toMatch(/Redis connections: .*1 of workers and bots, .*2 waiting for jobs/)
      }
      child.process.kill('SIGKILL')
    },
    30_000,
  )
})

describe('the time limits', () => {
  const sockets = new Set<Socket>()
  const mute = createServer((socket) => void sockets.add(socket))
  afterAll(() => {
    for (const socket of sockets) socket.destroy()
    mute.close()
  })

  const takes = async (settings: ConnectionSettings, port: number): Promise<number> => {
    const connections = await openRedis({ kind: 'single', host: '127.0.0.1', port, db: 0 }, quiet, settings)
    const startedAt = performance.now()
    await expect(connections.connect('fail-fast')).rejects.toThrow(/does not answer \(no answer in time\)/)
    await connections.stop()
    return performance.now() - startedAt
  }

  test('the timeouts of commands and connections apply when Redis does not answer', async () => {
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    const { port } = mute.address() as AddressInfo
    const short = await takes({ commandTimeoutMs: 100, connectTimeoutMs: 3000 }, port)
    const long = await takes({ commandTimeoutMs: 1500, connectTimeoutMs: 3000 }, port)
    expect(short).toBeGreaterThan(90)
    expect(long).toBeGreaterThan(short + 1000)
  })

  test('every connection has the timeouts of the settings', async () => {
    const settings = { connectTimeoutMs: 1234, commandTimeoutMs: 432, keepAliveMs: 4321, blockMs: 9000 }
    const connections = await openRedis(redis.target, quiet, settings)
    const shared = { connectTimeout: 1234, keepAlive: 4321 }
    const fast = await connections.connect('fail-fast')
    expect(fast.options).toMatchObject({ ...shared, commandTimeout: 432, socketTimeout: 632 })
    const patient = await connections.connect('patient')
    // Longer than a blocking wait for a job, which would otherwise look like a dead connection.
    expect(patient.options).toMatchObject({ ...shared, socketTimeout: 10_200 })
    await connections.stop()
  })
})
