/** The examples' processes as their npm commands start them, stopped by a signal to npm. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { createQueues } from '../../../../core/queue/queues.ts'
import { freePort } from '../../../../core/redis/local-server.ts'
import { startChild } from '../../../../test/helpers/child.ts'
import { eventually } from '../../../../test/helpers/eventually.ts'
import {
  expectStopped,
  LOCAL_API_TOKEN,
  signalNpm,
  startCommand,
} from '../../../../test/helpers/npm-commands.ts'
import { aRecord } from '../../../../test/helpers/record.ts'
import { quiet, useRedis } from '../../../../test/helpers/redis.ts'
import { useRequests } from '../../../../test/helpers/requests.ts'
import { createService } from '../../link-check/index.ts'
import { loadExampleSettings } from '../../settings.ts'
import { startExamples } from '../start-examples.ts'

const { service: linkCheck } = createService({ linkCheck: loadExampleSettings({}).linkCheck })

const redis = await useRedis()
const { client, store } = await useRequests(redis)
const queues = createQueues({ redis: client, log: quiet, queueList: () => [linkCheck.queue] })
afterAll(() => queues.stop())

const start = (name: string, env: NodeJS.ProcessEnv) =>
  startCommand(name, [], { REDIS_URL: redis.url, ...env })

describe('a signal to npm', () => {
  it('a signal to npm lets bots finish their calls', async () => {
    const pending: (() => void)[] = []
    const site = createServer((_req, res) => {
      pending.push(() => res.writeHead(200, { 'content-type': 'text/html' }).end('<title>One page</title>'))
    })
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`
    const port = await freePort()
    const settings = { LOCAL_API_PORT: String(port), LOCAL_API_URL: `http://127.0.0.1:${port}` }
    const env = { REDIS_URL: redis.url, LOCAL_API_TOKEN, ...settings }
    startChild('workers/main.ts', [], env)
    const bots = await start('start:bots', {
      ...env,
      LINK_CHECK_ALLOW_PRIVATE: 'true',
      LINK_CHECK_REQUESTS_PER_SECOND: '1000',
    })
    const record = aRecord({ service_slug: linkCheck.slug, request_data: { url } })
    await store.create(record)
    await queues.add(record, linkCheck)
    await eventually(() => expect(pending.length).toBeGreaterThan(0), { withinMs: 20_000 })
    signalNpm(bots)
    await bots.waitForOutput('stopping')
    const answering = setInterval(() => {
      for (const answer of pending.splice(0)) answer()
    }, 10)
    await expectStopped(bots)
    await eventually(async () =>
      expect((await store.read(record.hash))?.record).toMatchObject({ status: 'completed', attempt: 1 }),
    )
    clearInterval(answering)
    site.closeAllConnections()
    site.close()
  })

  it('a signal to npm ends the demo portal', async () => {
    const portal = await start('start:portal', { DEMO_PORTAL_PORT: String(await freePort()) })
    signalNpm(portal)
    await expectStopped(portal)
  })

  it('a stopped start ends the bots and the demo portal that it has started', async () => {
    const all = await startExamples()
    expect(all.output()).toContain(`SMS inbox (demo):  ${all.portalUrl}`)
    expect(await all.stop()).toBe(0)
    for (const url of [all.url, all.botUrl, all.portalUrl])
      await expect(fetch(url)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } })
  })
})
