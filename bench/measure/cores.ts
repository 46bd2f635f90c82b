/** Where the kernel moves processes about, a contender's luck with its neighbours is measured too. */
import { type ChildProcess, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

interface Running {
  readonly process: ChildProcess
}

const [own, ...others] = allowedCores()

/**
 * Gives those that are measured, which take turns, a core to themselves, and the others the rest. What is compiled from then on
 * is compiled on that core, at the cost of the code that runs: in rounds that are not counted (`interleaveWarm`). Does
 * nothing where there is one core, no `taskset`, or another system than Linux.
 */
export function separate(measured: readonly Running[], load: readonly Running[]): void {
  if (own === undefined || others.length === 0) return
  for (const { process } of measured) move(process, [own])
  for (const { process } of load) move(process, others)
}

function move({ pid }: ChildProcess, cores: readonly number[]): void {
  spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cores.join(','), String(pid)])
}

/** As Linux lists them: `0-1` or `0,2-5`. */
function allowedCores(): number[] {
  if (process.platform !== 'linux') return []
  const ranges = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
  return ranges.split(',').flatMap((range) => {
    const [from = 0, until = from] = range.split('-').map(Number)
    return Array.from({ length: until - from + 1 }, (_, i) => from + i)
  })
}
