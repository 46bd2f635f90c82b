/** `halfway server --processes 4`: several server processes that share a port, so that one machine's cores are used. */
import type { ChildProcess } from 'node:child_process'
import cluster from 'node:cluster'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { commandName, parseOptions, wholeNumber } from '../core/runtime/command-line.ts'
import { keepRunning } from '../core/runtime/keep-running.ts'
import type { ProcessContext } from '../core/runtime/process.ts'
import { StartupError } from '../core/runtime/startup-error.ts'

/** @returns null after --help was printed */
export const parseServerOptions = (args: readonly string[]): { processes: number } | null =>
  parseOptions<{ processes: number }>(
    new Command(commandName('npm run start:server --', 'halfway server'))
      .description('Starts the server: pages, API and sockets.')
      .option('--processes <n>', 'how many processes share the port', wholeNumber(1, 256), 1),
    args,
  )

/** Starts the processes at the same time and stops them together. One that exits unexpectedly is started again. */
export async function startServers({ config, log, register }: ProcessContext, count: number): Promise<void> {
  // The file of the process, and not what was typed: the package has one command for all.
  const exec = fileURLToPath(new URL(`./main${extname(import.meta.url)}`, import.meta.url))
  cluster.setupPrimary({ exec, args: [] })
  const onRestartFailed = (): void => {
    // Ends this process with an error, and the others with it.
    setImmediate(() => {
      throw new Error('a server process did not start again')
    })
  }
  const starting = Array.from({ length: count }, (_, i) =>
    keepRunning(`server ${i + 1}`, () => fork(metricsPort(config.metrics.ports.server, i)), {
      log,
      onRestartFailed,
    }),
  )
  const started = Promise.all(starting)
  await register('servers', {
    async stop() {
      const servers = await Promise.allSettled(starting)
      await Promise.all(servers.map((one) => (one.status === 'fulfilled' ? one.value.stop() : undefined)))
    },
  })
  await started
  log.info({ address: `http://localhost:${config.server.port}`, processes: count }, 'servers are ready')
}

/** Each process has metrics of its own, at the next port. */
const metricsPort = (first: number | undefined, i: number): NodeJS.ProcessEnv =>
  first === undefined ? {} : { METRICS_PORT: String(first + i) }

/** Resolves once the process reports that it has started. @throws StartupError when it exits before */
async function fork(env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const worker = cluster.fork(env)
  await new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve())
    worker.once('exit', () => reject(new StartupError('A server process did not start. See above.')))
  })
  return worker.process
}
