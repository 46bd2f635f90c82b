/** How `npm start` begins and ends. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { startHalfway } from '../helpers/halfway.ts'

const expectRefused = (url: string): Promise<void> =>
  expect(fetch(url, { signal: AbortSignal.timeout(1000) })).rejects.toMatchObject({
    cause: { code: 'ECONNREFUSED' },
  })

/** As Linux tells it. */
function childOf(parent: number | undefined, main: string): number {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ')
  const child = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`\0${main}`))
  return Number(child)
}

describe('npm start', () => {
  it('stops every process it started, the private Redis too, and ends with 0', async () => {
    const another = await startHalfway()
    expect(await another.stop()).toBe(0)
    for (const url of [another.url, another.botUrl, another.portalUrl]) await expectRefused(url)
    expect(() => process.kill(another.redis.pid, 0)).toThrow('ESRCH')
  })

  it('that is killed leaves no process behind that it started', async () => {
    const another = await startHalfway()
    another.process.kill('SIGKILL')
    for (const url of [another.url, another.botUrl, another.portalUrl]) {
      await eventually(() => expectRefused(url), { withinMs: 15_000, everyMs: 100 })
    }
    // Its Redis waits for the next one who starts it.
    process.kill(another.redis.pid)
    await another.stop()
  })

  it('starts again what was killed, and what people wait for goes on', async () => {
    const another = await startHalfway({ DEMO_PORTAL_SPEED: '5' })
    const submitted = await fetch(`${another.url}/api/local-requests`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ service_slug: 'link-check', request_data: { url: `${another.portalUrl}/` } }),
    })
    const { status_url } = (await submitted.json()) as { status_url: string }
    for (const main of ['bots/inquiry-provider', 'server'])
      process.kill(childOf(another.process.pid, `${main}/main.ts`), 'SIGKILL')
    await eventually(
      async () => {
        const answer = await fetch(another.url + status_url)
        expect(await answer.json()).toMatchObject({ status: 'completed' })
      },
      { withinMs: 60_000, everyMs: 200 },
    )
    expect(await another.stop()).toBe(0)
  })

  it('says in one sentence that a port is taken', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, resolve))
    const port = String((taken.address() as AddressInfo).port)
    await expect(startHalfway({ PORT: port })).rejects.toThrow(`Port ${port} is already in use`)
    taken.close()
  })

  it('says in one sentence that the configured Redis does not answer', async () => {
    await expect(startHalfway({ REDIS_URL: 'redis://127.0.0.1:1' })).rejects.toThrow(
      'Redis at 127.0.0.1:1 does not answer (ECONNREFUSED)',
    )
  })
})
