/** `npm run bench`: ours, the plain way and the floor, side by side. Nothing is asserted: docs/BENCHMARKS.md says how to read it. */
import { Command } from 'commander'
import { parseOptions } from '../core/runtime/command-line.ts'
import { growth } from './growth.ts'
import { jobs } from './jobs.ts'
import { asJson, asText, type Section } from './measure/report.ts'
import { memory } from './memory.ts'
import { progress } from './progress.ts'
import { relay } from './relay.ts'
import { startUp } from './start-up.ts'
import { status } from './status.ts'

const SECTIONS = {
  status: () => status({ rounds: 100, seconds: 0.015 }),
  relay: () => relay({ rounds: 60, roundsToOne: 60 }),
  progress: () => progress({ rounds: 80, roundsFar: 16, seconds: 0.025 }),
  jobs: () =>
    jobs({ taking: { rounds: 74, seconds: 0.02 }, working: { rounds: 60 }, reaching: { rounds: 42 } }),
  memory,
  growth: () => growth({ rounds: 50, roundsPolled: 46 }),
  'start-up': () => startUp({ rounds: 3 }),
} as const

// What it has started ends with it, on Ctrl-C too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const options = parseOptions<{ json?: true; only?: string[] }>(
  new Command('bench')
    .option('--json', 'for machines')
    .option('--only <sections...>', `some of: ${Object.keys(SECTIONS).join(', ')}`),
  process.argv.slice(2),
)
if (options) {
  const sections: Section[] = []
  for (const [name, measure] of Object.entries(SECTIONS)) {
    if (options.only && !options.only.includes(name)) continue
    const section = await measure()
    sections.push(section)
    if (!options.json) process.stdout.write(`${asText([section])}\n`)
  }
  if (options.json) process.stdout.write(`${JSON.stringify(asJson(sections), null, 2)}\n`)
  process.exit(0)
}
