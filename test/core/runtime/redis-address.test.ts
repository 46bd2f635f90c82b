import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createUpdater } from '../../../bots/updater.ts'
import { openRedis } from '../../../core/redis/connect.ts'
import { parseRedisAddress } from '../../../core/runtime/redis-address.ts'
import { StartupError } from '../../../core/runtime/startup-error.ts'
import { onRealRedis, quiet, useRedis } from '../../helpers/redis.ts'

const PASSWORD = 'p4ss-w0rd'
const NOTHING = { username: undefined, password: undefined, db: undefined }

describe('parseRedisAddress', () => {
  it.each([
    ['redis://h', { host: 'h', port: 6379, tls: false }],
    ['redis://h:1/', { host: 'h', port: 1, tls: false }],
    ['rediss://h/2', { host: 'h', port: 6379, tls: true, db: 2 }],
    ['redis://h?db=3', { host: 'h', port: 6379, tls: false, db: 3 }],
    ['redis://h/3?db=3', { host: 'h', port: 6379, tls: false, db: 3 }],
    ['redis://u:p%23%40@[::1]:7', { host: '::1', port: 7, tls: false, username: 'u', password: 'p#@' }],
    ['redis://:p@h', { host: 'h', port: 6379, tls: false, password: 'p' }],
    ['unix:///run/a%20b.sock?db=1', { path: '/run/a b.sock', db: 1 }],
    ['unix://:p@/run/a.sock', { path: '/run/a.sock', password: 'p' }],
    ['unix://u:p@/run/a.sock?db=4', { path: '/run/a.sock', username: 'u', password: 'p', db: 4 }],
  ])('a Redis address is parsed into host or path, credentials and database: %s', (address, parts) => {
    expect(parseRedisAddress(address)).toEqual({ ...NOTHING, ...parts })
  })

  it.each([
    [`redis://:${PASSWORD}@h/abc`, 'not a number'],
    [`redis://:${PASSWORD}@h/1/2`, 'not a number'],
    [`redis://:${PASSWORD}@h/-1`, 'not a number'],
    [`redis://:${PASSWORD}@h?db=x`, 'not a number'],
    [`redis://:${PASSWORD}@h/1?db=2`, 'two databases'],
    [`redis://:${PASSWORD}@h?db=1&db=2`, 'more than once'],
    [`redis://:${PASSWORD}@h?family=6`, 'parameter'],
    [`redis://:${PASSWORD}@h:0`, 'port 0'],
    [`redis://:${PASSWORD}@h:99999`, 'not a valid URL'],
    [`redis://:${PASSWORD}#1@h`, 'not a valid URL'],
    [`redis://:${PASSWORD}%zz@h`, '%25'],
    [`redis://:${PASSWORD}@h#1`, '#'],
    [`redis://${PASSWORD}@h`, 'redis://:password@host'],
    [`redis://:${PASSWORD}@`, 'not a valid URL'],
    ['redis:///1', 'no host'],
    [`unix://:${PASSWORD}@/`, 'no socket'],
    [`unix://:${PASSWORD}@run/redis.sock`, 'three slashes'],
    [`unix://:${PASSWORD}@/run/redis.sock?path=x`, 'parameter'],
    [`${PASSWORD}@h:6379`, 'begins with redis://'],
    [`http://:${PASSWORD}@h:6379`, 'begins with redis://'],
  ])(
    'a Redis address with an invalid or ignored part is refused without repeating its password: %s',
    (address, why) => {
      const parse = (): unknown => parseRedisAddress(address)
      expect(parse).toThrow(StartupError)
      expect(parse).toThrow(why)
      expect(parse).not.toThrow(PASSWORD)
    },
  )

  it('a Redis address with an ignored parameter is refused by the updater of bots, too', async () => {
    const redis = 'redis://127.0.0.1:6379?database=3'
    await expect(createUpdater({ redis, log: quiet })).rejects.toThrow(StartupError)
  })
})

describe('openRedis with an address', () => {
  const open = async (url: string) => {
    const connections = await openRedis({ kind: 'single', url }, quiet)
    onTestFinished(() => connections.stop())
    return connections.connect('patient')
  }

  it.runIf(onRealRedis)(
    'a Redis without the named database is refused instead of using another database',
    async () => {
      const path = new URL((await useRedis()).url).pathname
      await expect(open(`unix://${path}?db=9999`)).rejects.toThrow('it has no such database')
    },
  )

  it('a server that speaks HTTP is reported as no Redis', async () => {
    const server = createServer((_req, res) => res.end())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    await expect(open(`redis://127.0.0.1:${port}`)).rejects.toThrow('it is no Redis')
  })
})

describe.runIf(onRealRedis)('a unix socket with a password', () => {
  it('a unix socket address connects with its password and database', async () => {
    const redis = await useRedis()
    const path = new URL(redis.url).pathname
    const owner = await redis.connections.connect('patient')
    await owner.config('SET', 'requirepass', PASSWORD)
    const open = async (url: string) => {
      const connections = await openRedis({ kind: 'single', url }, quiet)
      onTestFinished(() => connections.stop())
      return connections.connect('patient')
    }
    const client = await open(`unix://default:${PASSWORD}@${path}?db=5`)
    await client.set('here', '1')
    expect(await owner.info('keyspace')).toContain('db5:keys=1')
    await expect(open(`unix://:wrong@${path}`)).rejects.toThrow('the password is wrong')
    await expect(open(`unix://${path}`)).rejects.toThrow('it wants a password')
  })
})
