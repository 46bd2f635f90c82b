/** `npm run bench`: Halfway and other ways to do the same, measured in one run. docs/PERFORMANCE.md explains the results. */
import { Command } from 'commander'
import { parseOptions } from '../core/runtime/command-line.ts'
import { costs } from './costs.ts'
import { progress } from './progress.ts'
import { type BenchRedis, startRedis } from './redis.ts'
import { relay } from './relay.ts'
import { formatRow, type Row } from './report.ts'
import { status } from './status.ts'
import { submit } from './submit.ts'
import { work } from './work.ts'

const SECTIONS: Record<string, (redis: BenchRedis) => Promise<Row[]>> = {
  submit,
  work,
  relay,
  status,
  progress,
  costs,
}

// Exit runs the exit handlers, which stop Redis. The measured processes exit when their IPC channel closes.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const options = parseOptions<{ only?: string[] }>(
  new Command('bench').option('--only <sections...>', `run some of: ${Object.keys(SECTIONS).join(', ')}`),
  process.argv.slice(2),
)
if (options) {
  for (const [section, measure] of Object.entries(SECTIONS)) {
    if (!(options.only?.includes(section) ?? true)) continue
    const redis = await startRedis()
    process.stdout.write(`${section}\n${(await measure(redis)).map(formatRow).join('')}\n`)
    await redis.stop()
  }
  process.exit(0)
}
