/** Real NATS servers that tests kill and freeze, on free loopback ports; none outlives the test file. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from '../../core/redis/local-server.ts'
import { cleanUp } from './clean-up.ts'
import { findExecutable } from './executables.ts'

const program = findExecutable('nats-server')

/** Without it, tests are skipped; their names end with `(needs nats-server)`. */
export const hasNats = program !== undefined

export interface NatsServer {
  readonly url: string
  readonly port: number
  /** Resolves once it has ended. */
  end(): Promise<void>
  freeze(): void
  thaw(): void
  /** Starts it again at the same port. */
  restart(): Promise<void>
}

/** @param args further ones of its command line */
export async function startNats(...args: string[]): Promise<NatsServer> {
  const port = await freePort()
  let child: ChildProcess | undefined
  const restart = async (): Promise<void> => {
    const started = spawn(program as string, ['--addr', '127.0.0.1', '--port', String(port), ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child = started
    cleanUp(() => void started.kill('SIGKILL'))
    let output = ''
    await new Promise<void>((resolve, reject) => {
      started.stderr.on('data', (data) => {
        output += data
        if (output.includes('Server is ready')) resolve()
      })
      started.once('exit', () => reject(new Error(`nats-server did not start: ${output}`)))
    })
  }
  await restart()
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    async end() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    restart,
  }
}
