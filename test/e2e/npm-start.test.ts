/** How `npm start` begins and ends. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { eventually } from '../helpers/eventually.ts'
import { startHalfway } from '../helpers/halfway.ts'

const expectRefused = (url: string): Promise<void> =>
  expect(fetch(url, { signal: AbortSignal.timeout(1000) })).rejects.toMatchObject({
    cause: { code: 'ECONNREFUSED' },
  })

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
