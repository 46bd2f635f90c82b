import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { type Child, startChild } from '../../helpers/child.ts'
import { eventually } from '../../helpers/eventually.ts'

const start = (...args: string[]): Child =>
  startChild('test/helpers/fixtures/process.ts', args, { LOG_LEVEL: 'warn', NODE_ENV: 'test' })
const lines = (child: Child) => child.output().trim().split('\n')

/** Sends signals until the process has ended: when it accepts a second one is its own decision. */
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

describe.concurrent('runProcess', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'a process that receives %s stops its parts in reverse order and exits with 0',
    async (signal) => {
      const child = start()
      await child.waitForOutput('ready')
      child.process.kill(signal)
      expect(await child.ended).toBe(0)
      expect(lines(child)).toEqual(['ready', 'second stops', 'second stopped', 'first stopped'])
    },
  )

  it('a process that receives one signal twice, from a terminal and a runner, still stops in order', async () => {
    const child = start()
    await child.waitForOutput('ready')
    for (const signal of ['SIGINT', 'SIGINT', 'SIGTERM'] as const) child.process.kill(signal)
    expect(await child.ended).toBe(0)
    expect(lines(child)).toEqual(['ready', 'second stops', 'second stopped', 'first stopped'])
  })

  it('a process whose stop takes too long exits immediately at a second signal', async () => {
    const child = start('stuck')
    await child.waitForOutput('ready')
    child.process.kill('SIGINT')
    await child.waitForOutput('second stops')
    expect(await signalUntilEnded(child)).toBe(130)
  })

  it('a stopping process gives its parts DRAIN_SECONDS and ten seconds more', async () => {
    const child = startChild('test/helpers/fixtures/process.ts', [], {
      DRAIN_SECONDS: '120',
      LOG_LEVEL: 'info',
    })
    await child.waitForOutput('ready')
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(0)
    expect(child.output()).toContain('"limit_ms":130000')
  })

  it('a process stops its other parts when one does not stop cleanly', async () => {
    const child = start('broken-stop')
    await child.waitForOutput('ready')
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(0)
    expect(child.output()).toContain('first stopped')
    expect(child.output()).toContain('a part did not stop cleanly')
  })

  it('a process stopped while a part is starting waits for that part and stops it, too', async () => {
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

  it('a process with an uncaught exception stops in order and exits with 1', async () => {
    const child = start('crash')
    expect(await child.ended).toBe(1)
    expect(child.output()).toContain('unforeseen')
    expect(lines(child).filter((line) => line.startsWith('second') || line.startsWith('first'))).toEqual([
      'second stops',
      'second stopped',
      'first stopped',
    ])
  })

  it('a process with an uncaught exception while stopping still stops all parts and exits with 1', async () => {
    const child = start('crash-while-stopping')
    await child.waitForOutput('ready')
    child.process.kill('SIGTERM')
    expect(await child.ended).toBe(1)
    expect(child.output()).toContain('first stopped')
  })

  it('a process whose parent has ended stops', async () => {
    const child = start()
    await child.waitForOutput('ready')
    child.process.disconnect()
    await child.waitForOutput('first stopped')
  })

  it('a process whose parent was killed exits although its output pipes are closed', async () => {
    const child = start('bare')
    await child.waitForOutput('ready')
    child.process.stdout?.destroy()
    child.process.stderr?.destroy()
    child.process.disconnect()
    expect(await child.ended).toBe(0)
  })

  it('a process that cannot start prints one sentence, stops its started parts, and exits with 1', async () => {
    const child = start('cannot-start')
    expect(await child.ended).toBe(1)
    expect(lines(child).sort()).toEqual(['first stopped', 'fixture: The weather is not right.'])
  })

  it('a process with invalid settings names them all and starts nothing', async () => {
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

  it('a process whose port is in use names the port and its setting in one sentence', async () => {
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
