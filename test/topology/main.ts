/**
 * `npm run test:topology`: the same load on an installation with one master and on one with three, while a master is killed,
 * a server is rolled and a worker is frozen. Fails when anything was lost. docs/SCALE.md explains the results.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command, Option } from 'commander'
import { openRedis } from '../../core/redis/connect.ts'
import { parseOptions, wholeNumber } from '../../core/runtime/command-line.ts'
import { loadConfig } from '../../core/runtime/config.ts'
import { StartupError } from '../../core/runtime/startup-error.ts'
import { bundleProcesses } from '../helpers/bundles.ts'
import { cleanAll } from '../helpers/clean-up.ts'
import { quiet, useFolder } from '../helpers/redis.ts'
import { startTopology, TOPOLOGIES, type Topology } from './installation.ts'
import { addSeen, type Load, type Seen } from './load.ts'
import { formatComparison, formatTopology, type Phase, type Size } from './report.ts'

const IDLE_SECONDS = 20
const MASTERS = 3
const FROZEN_MS = 10_000
/** Of the seconds of a load, before its event. */
const EVENT_AT = 0.25
/** Open files of a socket at HAProxy, which has the most. */
const FILES_OF_A_WATCHER = 2

const isLarge = availableParallelism() >= 16
const number = (name: string, what: string, large: number, small: number): Option =>
  new Option(`--${name} <number>`, what).argParser(wholeNumber(1, 1_000_000)).default(isLarge ? large : small)
const command = new Command('test:topology')
  .addOption(number('watchers', 'sockets', 20_000, 1_200))
  .addOption(number('rate', 'requests a second', 500, 30))
  .addOption(number('seconds', 'of all load but that of pushes', 120, 120))
  .option('--no-events', 'only what shows the capacity')
  .addOption(new Option('--only <topology>', 'one of them').choices(Object.keys(TOPOLOGIES)))
  .addOption(new Option('--log <file>', 'where the processes log').default('/dev/null'))

const options = parseOptions<Size & { events: boolean; only?: string; log: string }>(
  command,
  process.argv.slice(2),
)
if (options) {
  const { events, only, log, ...size } = options
  checkOpenFiles(size)
  const results = new Map<string, Phase[]>()
  const lost: string[] = []
  for (const [name, startRedis] of Object.entries(TOPOLOGIES)) {
    if (only !== undefined && only !== name) continue
    try {
      const runBundled = await bundleProcesses(useFolder(), {
        more: ['test/topology/bot.ts', 'test/topology/people.ts'],
      })
      const topology = await startTopology(startRedis, size.watchers, { runBundled, log })
      const phases = await measureAll(topology, size, events)
      results.set(name, phases)
      process.stdout.write(formatTopology(name, size, phases))
      lost.push(...phases.flatMap(({ seen }) => seen.lost.map((what) => `${name}: ${what}\n`)))
    } finally {
      await cleanAll()
    }
  }
  const [one, three] = Object.keys(TOPOLOGIES).map((name) => results.get(name))
  if (one && three) process.stdout.write(formatComparison(one, three))
  process.stdout.write(lost.length > 0 ? `Lost:\n${lost.join('')}` : 'Nothing was lost.\n')
  process.exit(lost.length > 0 ? 1 : 0)
}

function checkOpenFiles({ watchers }: Size): void {
  const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1])
  const needed = watchers * FILES_OF_A_WATCHER + 1000
  if (limit < needed)
    throw new StartupError(`Only ${limit} files may be open: \`ulimit -n ${needed}\`, or fewer --watchers.`)
}

async function measureAll(topology: Topology, size: Size, withEvents: boolean): Promise<Phase[]> {
  const { run, masters, servers, workers, settings } = topology
  const seconds = size.seconds / 4
  const work: Load = { requestsPerSecond: size.rate, seconds, updates: 3, everyMs: 1000 }
  // A fifth of the requests, and four times the updates.
  const pushes: Load = { requestsPerSecond: size.rate / 5, seconds, updates: 60, everyMs: 100 }
  // A Redis that is busier takes more commands each time that it wakes up, so each costs it less. For the comparison a master
  // alone gets what one of three gets.
  const ofMasters = (load: Load): Load => ({
    ...load,
    requestsPerSecond: (load.requestsPerSecond * masters.length) / MASTERS,
  })
  const worker = workers[0] as (typeof workers)[number]
  const during = (event: () => Promise<unknown>): Promise<Seen> =>
    Promise.all([run(work), sleep(seconds * EVENT_AT * 1000).then(event)]).then(([seen]) => seen)
  const loads: Record<string, () => Promise<Seen>> = {
    idle: () => sleep(IDLE_SECONDS * 1000, addSeen([])),
    pushes: () => run(ofMasters(pushes)),
    work: () => run(ofMasters(work)),
  }
  const events: typeof loads = {
    'a master is killed': () => during(async () => masters[0]?.kill()),
    'a server is rolled': () => during(async () => servers[0]?.roll()),
    'a worker is frozen': () =>
      during(async () => {
        worker.signal('SIGSTOP')
        await sleep(FROZEN_MS)
        worker.signal('SIGCONT')
      }),
  }
  const phases: Phase[] = []
  for (const [name, runPhase] of Object.entries({ ...loads, ...(withEvents && events) })) {
    const phase = await measurePhase(name, topology, runPhase)
    phase.seen.lost.push(...(await findWrongEnds(settings, phase.seen.hashes)))
    phases.push(phase)
  }
  return phases
}

async function measurePhase(
  name: string,
  { all, masters }: Topology,
  runPhase: () => Promise<Seen>,
): Promise<Phase> {
  const readAll = async () => ({
    at: performance.now(),
    costs: all.map((one) => one.cost()),
    commands: await Promise.all(masters.map((master) => master.commands())),
  })
  const before = await readAll()
  const seen = await runPhase()
  const after = await readAll()
  return {
    name,
    seen,
    seconds: (after.at - before.at) / 1000,
    costs: all.map((one, i) => ({
      name: one.name,
      cpuMs: (after.costs[i]?.cpuMs ?? 0) - (before.costs[i]?.cpuMs ?? 0),
      peakMb: after.costs[i]?.peakMb ?? 0,
    })),
    commands: after.commands.map((commands, i) => commands - (before.commands[i] ?? 0)),
  }
}

/** Requests whose timeline has not exactly one end. */
async function findWrongEnds(settings: Record<string, string>, hashes: readonly string[]): Promise<string[]> {
  const connections = await openRedis(loadConfig(settings).redis, quiet)
  const redis = await connections.connect('patient')
  const wrong: string[] = []
  for (const hash of hashes) {
    const entries = await redis.lrange(redis.names.timeline(hash), 0, -1)
    const ends = entries.filter((entry) => /"status":"(?:completed|failed|cancelled)"/.test(entry)).length
    if (ends !== 1) wrong.push(`${hash}: it has ended ${ends} times`)
  }
  await connections.stop()
  return wrong
}
