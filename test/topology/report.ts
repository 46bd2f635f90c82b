/** The figures of a run as tables. */
import { WATCHERS_OF_A_REQUEST } from './installation.ts'
import type { Seen } from './load.ts'
import type { Cost } from './processes.ts'

export interface Size {
  watchers: number
  /** Requests a second. */
  rate: number
  seconds: number
}

export interface Phase {
  name: string
  seconds: number
  seen: Seen
  /** Of each process in this phase, masters first. */
  costs: ({ name: string } & Cost)[]
  /** Of each master in this phase. */
  commands: number[]
}

/** Of three masters, as many times that of one. */
const TARGET_CAPACITY = 2.2

const round = (value = Number.NaN, digits = 0): string =>
  Number.isFinite(value) ? value.toFixed(digits) : '–'

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ')
  return `${rows.map((row) => `  ${line(row).trimEnd()}\n`).join('')}\n`
}

/** The median, 99 of 100, and the greatest. */
function spread(ms: readonly number[]): string[] {
  const sorted = ms.toSorted((a, b) => a - b)
  return [0.5, 0.99, 1].map((share) => round(sorted[Math.ceil(sorted.length * share) - 1]))
}

export function formatTopology(name: string, { watchers, rate }: Size, phases: readonly Phase[]): string {
  const [idle, ...loads] = phases as [Phase, ...Phase[]]
  const names = phases.map((phase) => phase.name)
  const title = `${name}: ${watchers} sockets, ${rate} requests a second, each watched by ${WATCHERS_OF_A_REQUEST}`
  const ends = [
    ['ms', 'requests', 'lost', 'resubmits', 'retried', 'pushes', 'late p50', 'p99', 'max', 'took p50', 'p99', 'max'],
    ...loads.map(({ name, seen: { hashes, lost, resubmits, retried, late, took } }) => [
      name,
      ...[hashes.length, lost.length, resubmits, retried, late.length].map(String),
      ...spread(late),
      ...spread(took),
    ]),
  ] // biome-ignore format: a table
  const costs = idle.costs.map(({ name }, i) => [
    name,
    ...phases.map((phase) => round((phase.costs[i]?.cpuMs ?? 0) / 1000, 2)),
    round(Math.max(...phases.map((phase) => phase.costs[i]?.peakMb ?? 0))),
  ])
  const seconds = phases.map((phase) => round(phase.seconds))
  const commands = idle.commands.map((_, i) => [
    `master ${i + 1}`,
    ...phases.map((phase) => round(phase.commands[i])),
  ])
  return [
    `${title}\n`,
    table(ends),
    table([['CPU seconds', ...names, 'peak MB'], ['of', ...seconds, ''], ...costs]),
    table([['commands', ...names], ...commands]),
  ].join('')
}

/** What a unit of the load costs the busiest master, without what an idle installation costs it. */
function costOfBusiest(
  phases: readonly Phase[],
  load: string,
  unit: (seen: Seen) => number,
  of: (phase: Phase, master: number) => number,
): number {
  const [idle, phase] = ['idle', load].map((name) => phases.find((one) => one.name === name)) as [
    Phase,
    Phase,
  ]
  const own = phase.commands.map((_, i) => of(phase, i) - (of(idle, i) * phase.seconds) / idle.seconds)
  return Math.max(...own) / unit(phase.seen)
}

/** How many times the load of one master three can take: what a unit costs the one, by what it costs the busiest of three. */
export function formatComparison(one: readonly Phase[], three: readonly Phase[]): string {
  const row = (what: string, ...cost: Tail<Parameters<typeof costOfBusiest>>): string[] => {
    const [ofOne, ofThree] = [costOfBusiest(one, ...cost), costOfBusiest(three, ...cost)]
    const isReached = ofOne / ofThree >= TARGET_CAPACITY
    const capacity = `${round(ofOne / ofThree, 2)} × ${isReached ? '✓' : '✗'} ≥ ${TARGET_CAPACITY} ×`
    return [what, round(ofOne, 1), round(ofThree, 1), capacity]
  }
  const updates = (seen: Seen): number => seen.updates
  const requests = (seen: Seen): number => seen.hashes.length
  const microseconds = ({ costs }: Phase, i: number): number => (costs[i]?.cpuMs ?? 0) * 1000
  const commands = (phase: Phase, i: number): number => phase.commands[i] ?? 0
  return table([
    ['of the busiest master', 'one', 'of three', 'capacity'],
    row('µs of an update and its pushes', 'pushes', updates, microseconds),
    row('commands of an update', 'pushes', updates, commands),
    row('µs of a request', 'work', requests, microseconds),
    row('commands of a request', 'work', requests, commands),
  ])
}
type Tail<All extends unknown[]> = All extends [unknown, ...infer Rest] ? Rest : never
