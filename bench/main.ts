/** `npm run bench`: Halfway and other ways to do the same, measured in one run. docs/PERFORMANCE.md explains the results. */
import { Command } from 'commander'
import { parseOptions } from '../core/runtime/command-line.ts'
import { idle } from './idle.ts'
import { memory } from './memory.ts'
import { progress } from './progress.ts'
import { queue } from './queue.ts'
import { type BenchRedis, startRedis } from './redis.ts'
import { relay } from './relay.ts'
import { formatJson, formatText, type Row } from './report.ts'
import { start } from './start.ts'
import { status } from './status.ts'
import { submit } from './submit.ts'
import { waiting } from './waiting.ts'
import { work } from './work.ts'

const SECTIONS: Record<string, (redis: BenchRedis) => Promise<Row[]>> = {
  status,
  relay,
  progress,
  queue,
  memory,
  submit,
  work,
  idle,
  start,
  waiting,
}
/** It takes ten minutes, and compares Halfway with itself: only when it is named. */
const NAMED_ONLY = 'waiting'

// Exit runs the exit handlers, which stop Redis. The measured processes exit when their IPC channel closes.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const options = parseOptions<{ json?: true; only?: string[] }>(
  new Command('bench')
    .option('--json', 'print every round as JSON')
    .option('--only <sections...>', `run some of: ${Object.keys(SECTIONS).join(', ')}`),
  process.argv.slice(2),
)
if (options) {
  const results: { section: string; rows: Row[] }[] = []
  for (const [section, measure] of Object.entries(SECTIONS)) {
    if (!(options.only?.includes(section) ?? section !== NAMED_ONLY)) continue
    const redis = await startRedis()
    const rows = await measure(redis)
    await redis.stop()
    results.push({ section, rows })
    if (!options.json) process.stdout.write(`${section}\n${formatText(rows)}\n`)
  }
  if (options.json) process.stdout.write(`${JSON.stringify(formatJson(results), null, 2)}\n`)
  process.exit(0)
}
