/** A private Redis serves its owner only: no other machine, and no client without its password. */
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { freePort, isRedisUp, startRedisServer } from '../../../core/redis/local-server.ts'
import { describeTarget } from '../../../core/redis/topology.ts'
import { cleanUp } from '../../helpers/clean-up.ts'
import { onRealRedis, useFolder } from '../../helpers/redis.ts'

/** Other addresses of this machine. To the server, a client of one of them looks like another machine. */
const otherAddresses = [
  '127.0.0.2',
  ...Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ internal }) => !internal)
    .map(({ address, scopeid }) => (scopeid ? `${address}%${scopeid}` : address)),
]

/** The reply to a command, or its error. */
async function ask(host: string, port: number, password: string | undefined, ...command: string[]) {
  const [name, ...args] = command as [string]
  const options = { host, port, password, lazyConnect: true, retryStrategy: null, connectTimeout: 2000 }
  const client = new Redis({ ...options, enableReadyCheck: false, protocol: 2, disableClientInfo: true })
  let reason = ''
  client.on('error', (error: NodeJS.ErrnoException) => {
    reason ||= error.code ?? error.message
  })
  try {
    await client.connect()
    return String(await client.call(name, ...args))
  } catch (error) {
    return reason || (error as Error).message
  } finally {
    client.disconnect()
  }
}

async function start(options: { engine?: 'js'; port?: number }) {
  const server = await startRedisServer({ dir: useFolder(), ...options })
  cleanUp(() => server.stop())
  const { port, password } = new URL(server.url)
  return { ...server, port: Number(port), password }
}

describe('the JavaScript Redis', async () => {
  const { url, port, password, pid } = await start({ engine: 'js' })

  it('the JavaScript Redis accepts connections at 127.0.0.1 only', async () => {
    expect(await ask('127.0.0.1', port, password, 'PING')).toBe('PONG')
    for (const address of otherAddresses)
      expect(await ask(address, port, password, 'PING'), address).toMatch(/^E(CONNREFUSED|NETUNREACH|INVAL)$/)
  })

  it('the JavaScript Redis refuses commands without its password and with a wrong one', async () => {
    expect(await ask('127.0.0.1', port, password, 'SET', 'secret', '1')).toBe('OK')
    const commands = [['GET', 'secret'], ['KEYS', '*'], ['FLUSHALL'], ['SUBSCRIBE', 'x'], ['MONITOR']]
    for (const command of commands) {
      expect(await ask('127.0.0.1', port, undefined, ...command), command[0]).toMatch(/NOAUTH/)
      expect(await ask('127.0.0.1', port, 'wrong', ...command), command[0]).toMatch(/NOAUTH|WRONGPASS/)
    }
    expect(await ask('127.0.0.1', port, undefined, 'CONFIG', 'GET', 'requirepass')).toMatch(/NOAUTH/)
    expect(await ask('127.0.0.1', port, password, 'GET', 'secret')).toBe('1')
  })

  it('the JavaScript Redis has a random password that is neither in logs nor in its command line', async () => {
    const { password: other } = await start({ engine: 'js' })
    expect(password).toMatch(/^[\w-]{32}$/)
    expect(other).not.toBe(password)
    expect(describeTarget({ kind: 'single', url })).toBe(`127.0.0.1:${port}`)
    if (process.platform !== 'linux') return
    for (const file of ['cmdline', 'environ'])
      expect(readFileSync(`/proc/${pid}/${file}`, 'utf8')).not.toContain(password)
  })
})

describe.runIf(onRealRedis)('an installed Redis that is started at a port', () => {
  it('an installed Redis accepts connections at 127.0.0.1 only', async () => {
    const { url, port } = await start({ port: await freePort() })
    expect(await isRedisUp(url)).toBe(true)
    for (const address of otherAddresses)
      expect(await ask(address, port, undefined, 'PING'), address).toMatch(
        /^E(CONNREFUSED|NETUNREACH|INVAL)$/,
      )
  })
})
