/** Plain processes, and what the operating system says of their cost. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { cleanUp } from '../helpers/clean-up.ts'
import { eventually } from '../helpers/eventually.ts'

/** So far. */
export interface Cost {
  cpuMs: number
  peakMb: number
}

export interface Measured {
  readonly name: string
  cost(): Cost
}

export interface Member extends Measured {
  signal(signal: NodeJS.Signals): void
  /** Ends it by SIGTERM and starts it again, as a process manager does. */
  roll(): Promise<void>
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Of the times in /proc, on Linux. */
const MS_PER_TICK = 10
/** It is started again as often as it ends at its start. */
const RESTARTED_WITHIN_MS = 60_000

function readCost(pid: number): Cost | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    const peakKb = /^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return { cpuMs: (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK, peakMb: Number(peakKb) / 1024 }
  } catch {
    return null
  }
}

/** @param pid of the process now; one that has ended costs what was read last */
export function measure(name: string, pid: () => number): Measured {
  const costs = new Map<number, Cost>()
  return {
    name,
    cost() {
      const now = readCost(pid())
      if (now) costs.set(pid(), now)
      const all = [...costs.values()]
      return {
        cpuMs: all.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
        peakMb: Math.max(...all.map(({ peakMb }) => peakMb)),
      }
    },
  }
}

export interface Starter {
  /** The preload that runs the bundle of a main file. */
  runBundled: string
  /** The file that gets the output. */
  log: string
}

export function startProgram({ log }: Starter, command: string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const output = openSync(log, 'a')
  const child = spawn(command[0] as string, command.slice(1), {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', output, output, 'ipc'],
  })
  cleanUp(() => void child.kill('SIGKILL'))
  return child
}

/** Starts a main file. Resolves once it says that it is ready. */
export async function startMain(
  starter: Starter,
  main: string,
  env: NodeJS.ProcessEnv,
): Promise<ChildProcess> {
  const child = startProgram(starter, [process.execPath, '--require', starter.runBundled, main], env)
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${main} ended with ${code} at its start; see --log`)
  })
  await Promise.race([once(child, 'message'), ended])
  return child
}

export async function startMember(name: string, start: () => Promise<ChildProcess>): Promise<Member> {
  let child = await start()
  const measured = measure(name, () => child.pid as number)
  return {
    ...measured,
    signal: (signal) => void child.kill(signal),
    async roll() {
      measured.cost()
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      child = await eventually(start, { withinMs: RESTARTED_WITHIN_MS, everyMs: 500 })
    },
  }
}
