/** The command line in this process: what is run, what it says, and how it ends. */
import { PassThrough } from 'node:stream'
import { runCli } from '../../cli/program.ts'
import type { TestRedis } from './redis.ts'

export interface CliRun {
  code: number
  /** Standard output. */
  out: string
  err: string
  /** All that reached the terminal, with what moves its cursor and colours it. */
  raw: string
}

export interface RunningCli {
  /** What it wrote so far, without the sequences that move the cursor and colour it. */
  out(): string
  /** As if on its keyboard. */
  type(text: string): void
  interrupt(): void
  ended: Promise<CliRun>
}

export interface TestCli {
  run(...args: string[]): Promise<CliRun>
  /** The same with `--json`, read. */
  json<T>(...args: string[]): Promise<T>
  /** One that goes on, on a terminal or not. */
  start(args: string[], options?: { isTerminal?: boolean }): RunningCli
}

const SEQUENCES = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[ -/]*[@-~]`, 'g')

/** @param settings environment on top of the test's Redis */
export function useCli(redis: Pick<TestRedis, 'url'>, settings: NodeJS.ProcessEnv = {}): TestCli {
  const start: TestCli['start'] = (args, { isTerminal = false } = {}) => {
    const [out, err, input] = [new PassThrough(), new PassThrough(), new PassThrough()]
    Object.assign(out, { isTTY: isTerminal, columns: 100, rows: 30 })
    // A terminal's raw mode is its own; what is typed arrives as it is.
    Object.assign(input, { isTTY: isTerminal, setRawMode: () => input })
    let [written, complaints] = ['', '']
    out.on('data', (data: Buffer) => {
      written += data.toString()
    })
    err.on('data', (data: Buffer) => {
      complaints += data.toString()
    })
    const abort = new AbortController()
    const plain = (): string => written.replace(SEQUENCES, '')
    const env = { REDIS_URL: redis.url, ...settings }
    const ended = runCli(args, { env, signal: abort.signal, out, err, input }).then((code) => ({
      code,
      out: plain(),
      err: complaints,
      raw: written + complaints,
    }))
    return { out: plain, type: (text) => void input.write(text), interrupt: () => abort.abort(), ended }
  }
  const run: TestCli['run'] = (...args) => start(args).ended
  return { start, run, json: async (...args) => JSON.parse((await run(...args, '--json')).out) }
}
