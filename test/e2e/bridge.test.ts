/** The bridge as its commands start it, and processes that have no client of NATS. */
import { describe, expect, it, test } from 'vitest'
import { freePort } from '../../core/redis/local-server.ts'
import { type Child, startChild } from '../helpers/child.ts'
import { hasNats, startNats } from '../helpers/nats-servers.ts'
import { expectStopped, signalNpm, startCommand } from '../helpers/npm-commands.ts'
import { onRealRedis, useRedis } from '../helpers/redis.ts'

const redis = await useRedis()
const PRELOAD = ['--import', 'tsx', '--import', './test/helpers/fixtures/without-nats.mjs']

/** Not its bundle, which has the client in it. */
const startWithoutClient = (main: string, env: NodeJS.ProcessEnv): Child =>
  startChild(main, [], { REDIS_URL: redis.url, NODE_ENV: 'test', LOG_LEVEL: 'info', ...env }, PRELOAD)

test.runIf(onRealRedis && hasNats)(
  'the bridge carries to the servers that answer, and a signal to npm ends it (needs nats-server)',
  async () => {
    const nats = await startNats()
    const bridge = await startCommand('start:bridge', [], {
      REDIS_URL: redis.url,
      NATS_URL: `nats://127.0.0.1:${await freePort()},${nats.url}`,
    })
    await bridge.waitForOutput(`"nats":"127.0.0.1:${nats.port}"`)
    signalNpm(bridge)
    await expectStopped(bridge)
  },
)

describe('without the client of NATS', () => {
  it.each(['server/main.ts', 'bridge/main.ts'])(
    '%s says what to install where NATS_URL is set',
    async (main) => {
      const child = startWithoutClient(main, {
        NATS_URL: 'nats://127.0.0.1:1',
        PORT: String(await freePort()),
      })
      expect(await child.ended).toBe(1)
      expect(child.output()).toContain(
        'NATS_URL is set, but the client of NATS is missing. npm install --save-prod @nats-io/transport-node@3.3',
      )
    },
  )

  it('a server without NATS_URL does not try to load it', async () => {
    const server = startWithoutClient('server/main.ts', { PORT: String(await freePort()) })
    await server.waitForOutput('"msg":"started"')
    expect(server.output()).not.toContain('loading')
    server.process.kill('SIGTERM')
    expect(await server.ended).toBe(0)
  })

  it('a bridge without NATS_URL says so', async () => {
    const bridge = startWithoutClient('bridge/main.ts', {})
    expect(await bridge.ended).toBe(1)
    expect(bridge.output()).toContain('bridge: NATS_URL is not set')
  })
})
