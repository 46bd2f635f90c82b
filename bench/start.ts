/** The start of a compiled server: how soon it is ready, and its memory then. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from '../core/redis/local-server.ts'
import { compiled, pin, ROOT, SETTINGS } from './processes.ts'
import type { BenchRedis } from './redis.ts'
import { compare, type Row } from './report.ts'

const ROUNDS = { warmUp: 1, rounds: 6 }

export async function start({ url }: BenchRedis): Promise<Row[]> {
  const megabytes = { halfway: [] as number[], other: [] as number[] }
  const untilReady = (name: keyof typeof megabytes, file: string) => async (): Promise<number> => {
    const env = { ...SETTINGS, REDIS_URL: url, PORT: String(await freePort()) }
    const startedAt = performance.now()
    const child = spawn(process.execPath, [file], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    pin(child.pid as number, '0')
    const ended = once(child, 'exit')
    const isReady = await Promise.race([once(child, 'message'), ended.then(() => null)])
    if (!isReady) throw new Error(`${file} ended at its start`)
    const ms = performance.now() - startedAt
    megabytes[name].push(Number(execFileSync('ps', ['-o', 'rss=', '-p', `${child.pid}`])) / 1024)
    child.kill('SIGKILL')
    await ended
    return ms
  }
  const beside = 'its libraries alone'
  const row = await compare({ what: 'start of a server until it is ready', unit: 'ms', beside }, ROUNDS, {
    halfway: untilReady('halfway', compiled('server')),
    other: untilReady('other', 'bench/contenders/start-bare.mjs'),
  })
  return [row, { what: 'memory of a server then', unit: 'MB', beside, ...megabytes }]
}
