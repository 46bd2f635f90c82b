/** Runs the CLI in this process: its input, output and exit code. */
import { PassThrough } from 'node:stream'
import { runCli } from '../../cli/program.ts'
import type { TestRedis } from './redis.ts'

export interface CliRun {
  code: number
  /** Standard output. */
  out: string
  err: string
  /** Both streams, with the escape sequences for cursor and colours. */
  raw: string
}

export interface RunningCli {
  /** Standard output so far, without escape sequences. */
  out(): string
  /** Writes to its standard input. */
  type(text: string): void
  interrupt(): void
  ended: Promise<CliRun>
}

export interface TestCli {
  run(...args: string[]): Promise<CliRun>
  /** Runs with `--json` and parses the output. */
  json<T>(...args: string[]): Promise<T>
  /** Starts a command that runs on. */
  start(args: string[], options?: { isTerminal?: boolean; columns?: number }): RunningCli
}

const ESCAPE_SEQUENCES = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[ -/]*[@-~]`, 'g')

/** @param settings environment on top of the test's Redis */
export function useCli(redis: Pick<TestRedis, 'url'>, settings: NodeJS.ProcessEnv = {}): TestCli {
  const start: TestCli['start'] = (args, { isTerminal = false, columns = 100 } = {}) => {
    const [out, err, input] = [new PassThrough(), new PassThrough(), new PassThrough()]
    Object.assign(out, { isTTY: isTerminal, columns, rows: 30 })
    // Raw mode is a feature of terminals; the test's input needs none.
    Object.assign(input, { isTTY: isTerminal, setRawMode: () => input })
    let [outText, errText] = ['', '']
    out.on('data', (data: Buffer) => {
      outText += data.toString()
    })
    err.on('data', (data: Buffer) => {
      errText += data.toString()
    })
    const abort = new AbortController()
    const plain = (): string => outText.replace(ESCAPE_SEQUENCES, '')
    const env = { REDIS_URL: redis.url, ...settings }
    const ended = runCli(args, { env, signal: abort.signal, out, err, input }).then((code) => ({
      code,
      out: plain(),
      err: errText,
      raw: outText + errText,
    }))
    return { out: plain, type: (text) => void input.write(text), interrupt: () => abort.abort(), ended }
  }
  const run: TestCli['run'] = (...args) => start(args).ended
  return { start, run, json: async (...args) => JSON.parse((await run(...args, '--json')).out) }
}
