import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { type Child, startChild } from '../../helpers/child.ts'
import { eventually } from '../../helpers/eventually.ts'

const start = (...args: string[]): Child =>
  startChild('test/helpers/fixtures/process.ts', args, { LOG_LEVEL: 'warn', NODE_ENV: 'test' })
const lines = (child: Child) => child.output().trim().split('\n')

/** Sends signals until the process has ended: how long a person must be impatient is its own affair. */
async function signalUntilEnded(child: Child): Promise<number | string> {
  let end: number | string | null = null
  void child.ended.then((how) => {
    end = how
  })
  return eventually(
    () => {
      child.process.kill('SIGINT')
      if (end === null) throw new Error('it is still running')
      return end
    },
    { everyMs: 50 },
  )
}

describe.concurrent('a process', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'stops its parts in reverse at %s and ends well',
    async (signal) => {
      const child = start()
      await child.waitForOutput('ready')
      child.process.kill(signal)
      expect(await child.ended).toBe(0)
      expect(lines(child)).toEqual(['ready', 'second stops', 'second stopped', 'first stopped'])
    },
  )

  it('does not take a signal that comes twice, from a terminal and a runner, for impatience', async () => {
    const child = start()
    await child.waitForOutput('ready')
    for (const signal of ['SIGINT', 'SIGINT', 'SIGTERM'] as const) child.process.kill(signal)
    expect(await child.ended).toBe(0)
    expect(lines(child)).toEqual(['ready', 'second stops', 'second stopped', 'first stopped'])
  })

  it('ends at once at another signal when stopping takes too long', async () => {
    const child = start('stuck')
    await child.waitForOutput('ready')
    child.process.kill('SIGINT')
    await child.waitForOutput('second stops')
    expect(await signalUntilEnded(child)).toBe(130)
  })

  it('gives its parts the time that running work has to finish, and ten seconds more', async () => {
    const child = startChild('test/helpers/fixtures/process.ts', [], {
      DRAIN_SECONDS: '120',
      LOG_LEVEL: 'info',
    })
    await child.waitForOutput('ready')
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(0)
    expect(child.output()).toContain('"limit_ms":130000')
  })

  it('stops the others when one part does not stop cleanly', async () => {
    const child = start('broken-stop')
    await child.waitForOutput('ready')
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(0)
    expect(child.output()).toContain('first stopped')
    expect(child.output()).toContain('a part did not stop cleanly')
  })

  it('told to stop while a part is starting waits for it, and stops that too', async () => {
    const child = start('slow-start')
    await child.waitForOutput('starting')
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(0)
    expect(lines(child).filter((line) => line !== 'ready')).toEqual([
      'starting',
      'second stopped',
      'first stopped',
    ])
  })

  it('that stumbles over something unforeseen stops in order and ends with 1', async () => {
    const child = start('crash')
    expect(await child.ended).toBe(1)
    expect(child.output()).toContain('unforeseen')
    expect(lines(child).filter((line) => line.startsWith('second') || line.startsWith('first'))).toEqual([
      'second stops',
      'second stopped',
      'first stopped',
    ])
  })

  it('that stumbles while stopping still stops all parts, and ends with 1', async () => {
    const child = start('crash-while-stopping')
    await child.waitForOutput('ready')
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(1)
    expect(child.output()).toContain('first stopped')
  })

  it('whose parent is gone stops by itself', async () => {
    const child = start()
    await child.waitForOutput('ready')
    child.process.disconnect()
    await child.waitForOutput('first stopped')
  })

  it('whose parent was killed, so that nobody reads what it says, ends all the same', async () => {
    const child = start('bare')
    await child.waitForOutput('ready')
    child.process.stdout?.destroy()
    child.process.stderr?.destroy()
    child.process.disconnect()
    expect(await child.ended).toBe(0)
  })

  it('that cannot start says why in one sentence, stops what it had started, and ends with 1', async () => {
    const child = start('cannot-start')
    expect(await child.ended).toBe(1)
    expect(lines(child).sort()).toEqual(['first stopped', 'fixture: The weather is not right.'])
  })

  it('whose settings are wrong names them all and starts nothing', async () => {
    const child = startChild('test/helpers/fixtures/process.ts', [], {
      PORT: 'many',
      LOG_LEVEL: 'loud',
      NODE_ENV: 'test',
    })
    expect(await child.ended).toBe(1)
    expect(child.output()).toMatch(
      /^fixture: The settings are invalid:\n {2}- PORT: .+\n {2}- LOG_LEVEL: .+\n$/,
    )
  })

  it('whose port is taken says so in one sentence, with the setting to change', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as AddressInfo
    const child = start('port', String(port))
    expect(await child.ended).toBe(1)
    expect(lines(child).filter((line) => line.startsWith('fixture'))).toEqual([
      `fixture: Port ${port} is already in use; stop what uses it or set PORT to another one.`,
    ])
    taken.close()
  })
})
