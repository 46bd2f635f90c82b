/** Start and end of `npm start`. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { startHalfway, TEST_BOT } from '../helpers/halfway.ts'

const expectRefused = (url: string): Promise<void> =>
  expect(fetch(url, { signal: AbortSignal.timeout(1000) })).rejects.toMatchObject({
    cause: { code: 'ECONNREFUSED' },
  })

/** From /proc, which Linux has. */
function childPid(parent: number | undefined, main: string): number {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ')
  const child = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${main}\0`))
  return Number(child)
}

describe('npm start', () => {
  it('a killed npm start leaves no process behind', async () => {
    const another = await startHalfway()
    another.process.kill('SIGKILL')
    for (const url of [another.url, another.botUrl]) {
      await eventually(() => expectRefused(url), { withinMs: 15_000, everyMs: 100 })
    }
    // Its Redis stays for the next start.
    process.kill(another.redis.pid)
    await another.stop()
  })

  it('npm start restarts killed processes, whose requests complete, and ends every process when it is stopped', async () => {
    const another = await startHalfway({ TEST_BOT_STEP_MS: '300' })
    const submitted = await fetch(`${another.url}/api/local-requests`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ service_slug: 'link-check', request_data: { url: `${another.url}/livez` } }),
    })
    const { status_url } = (await submitted.json()) as { status_url: string }
    for (const main of [TEST_BOT, 'server/main.ts'])
      process.kill(childPid(another.process.pid, main), 'SIGKILL')
    await eventually(
      async () => {
        const answer = await fetch(another.url + status_url)
        expect(await answer.json()).toMatchObject({ status: 'completed' })
      },
      { withinMs: 60_000, everyMs: 200 },
    )
    expect(await another.stop()).toBe(0)
    for (const url of [another.url, another.botUrl]) await expectRefused(url)
    // The private Redis, too.
    expect(() => process.kill(another.redis.pid, 0)).toThrow('ESRCH')
  })

  it('npm start names a port that is in use in one sentence', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, resolve))
    const port = String((taken.address() as AddressInfo).port)
    await expect(startHalfway({ PORT: port })).rejects.toThrow(`Port ${port} is already in use`)
    taken.close()
  })

  it('npm start names a file of bots that does not exist in one sentence', async () => {
    await expect(startHalfway({}, { args: ['--bots', 'bots/no-such-bot/main.ts'] })).rejects.toThrow(
      '--bots: there is no file bots/no-such-bot/main.ts.',
    )
  })

  it('npm start names a Redis that does not answer in one sentence', async () => {
    await expect(startHalfway({ REDIS_URL: 'redis://127.0.0.1:1' })).rejects.toThrow(
      'Redis at 127.0.0.1:1 does not answer (ECONNREFUSED)',
    )
  })
})
