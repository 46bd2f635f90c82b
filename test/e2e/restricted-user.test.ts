/** A managed Redis: its user may not call INFO, CONFIG and CLIENT, or it has no such commands. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../core/redis/local-server.ts'
import { knowsService } from '../helpers/announced.ts'
import { startChild } from '../helpers/child.ts'
import { eventually } from '../helpers/eventually.ts'
import { TEST_BOT } from '../helpers/halfway.ts'
import { onRealRedis } from '../helpers/redis.ts'
import { startSingle } from '../helpers/redis-servers.ts'

const RIGHTS = ['on', '>secret', '~*', '&*', '+@all', '-@dangerous', '-@admin', '-info', '-config', '-client']

const RENAMED = { 'rename-command': ['INFO ""', 'CONFIG ""', 'CLIENT ""'] }

const ALL = ['on', '>secret', '~*', '&*', '+@all']

describe.skipIf(!onRealRedis)('a restricted Redis user', { timeout: 60_000 }, () => {
  test.each([
    ['a user without INFO, CONFIG and CLIENT', {}],
    ['no commands INFO, CONFIG and CLIENT', RENAMED],
  ])('with %s every process and the command line run, and a request completes', async (_what, conf) => {
    const redis = await startSingle(conf)
    await redis.run('ACL', 'SETUSER', 'halfway', ...(conf === RENAMED ? ALL : RIGHTS))
    const site = createServer((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/html' }).end('<title>A page</title>')
    })
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void site.close())

    const [port, botsPort] = [await freePort(), await freePort()]
    const env = {
      REDIS_URL: `redis://halfway:secret@127.0.0.1:${redis.port}`,
      PORT: String(port),
      LOCAL_API_PORT: String(botsPort),
      LOCAL_API_TOKEN: 'a-token-of-the-tests',
      NODE_ENV: 'test',
      LOG_LEVEL: 'info',
    }
    const children = [
      ['server/main.ts', 'server is ready'],
      ['workers/main.ts', 'workers are ready'],
      [TEST_BOT, 'bots are ready'],
    ].map(([file, ready]) => ({ child: startChild(file as string, [], env), ready: ready as string }))
    await Promise.all(children.map(({ child, ready }) => child.waitForOutput(ready)))

    await knowsService(`http://127.0.0.1:${port}`, 'link-check')
    const requests = `http://127.0.0.1:${port}/api/local-requests`
    const response = await fetch(requests, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        service_slug: 'link-check',
        request_data: { url: `http://127.0.0.1:${(site.address() as AddressInfo).port}/` },
      }),
    })
    const { hash } = (await response.json()) as { hash: string }
    await eventually(
      async () => {
        const view = await (await fetch(`${requests}/${hash}/status`)).json()
        expect(view).toMatchObject({ status: 'completed', error_data: null })
      },
      { withinMs: 20_000, everyMs: 50 },
    )

    const cli = startChild('cli/main.ts', ['list'], env)
    expect(await cli.ended).toBe(0)
    expect(cli.output()).toContain(hash)
    const doctor = startChild('cli/main.ts', ['doctor', '--json'], env)
    await doctor.ended
    const findings = JSON.parse(/^\[[\s\S]*\]$/m.exec(doctor.output())?.[0] ?? '[]') as {
      check: string
      result: string
      found: string
    }[]
    const unseen = findings.filter(({ found }) => found.startsWith('could not see'))
    expect(unseen.map(({ check }) => check)).toEqual([
      'Redis version',
      'Redis when full',
      'Redis memory',
      'Redis persistence',
      'Redis slow log',
      'Redis connections',
    ])
    expect(findings.filter(({ result }) => result === 'fail')).toEqual([])
    for (const { child } of children) child.process.kill('SIGTERM')
    expect(await Promise.all(children.map(({ child }) => child.ended))).toEqual([0, 0, 0])
  })
})
