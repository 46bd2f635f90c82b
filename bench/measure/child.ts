/** The processes of a benchmark: each one by itself, its CPU time and memory as the operating system counts them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Answer, Question } from './meter.ts'

export interface Child {
  readonly process: ChildProcess
  /** Asks one of the questions that the process answers (meter.ts). */
  ask<T>(what: string, ...args: unknown[]): Promise<T>
  /**
   * Microseconds of CPU that all its threads have used so far, to collect young garbage included: each turn pays for what it
   * makes, not for what was left to it, nor does the next one pay.
   */
  cpu(): Promise<number>
  /** The same without collecting: to see whether it is at work. */
  cpuAsItIs(): Promise<number>
  /**
   * Bytes that it holds after its garbage was collected. What is `kept` is without the part of V8's heap that is free:
   * 1 MB or 40, however much is kept.
   */
  memory(): Promise<{ resident: number; kept: number; heap: number }>
  stop(): Promise<void>
}

/**
 * Luck is not what is compared. V8 may come to think that objects of a request live long, and from then on every collection
 * copies what dead ones lead to: of bare Node that happens to two processes in five, which need a third more from then on
 * (pretenuring). And one that waits for its turn has all its garbage collected (memory reducer), by which compiled code goes
 * that refers to what is dead: for the next thousands of answers it needs up to four times as long.
 */
const EXEC_ARGV = [
  '--expose-gc',
  '--no-allocation-site-pretenuring',
  '--no-memory-reducer',
  '--import',
  'tsx',
]

/** One that can be asked over HTTP. */
export type Server = Child & { readonly url: string }

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const METER = new URL('./meter.ts', import.meta.url).href
const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

interface Starting {
  env?: NodeJS.ProcessEnv
  /** What it writes once it can be used; left out, it says so itself (`ready` of meter.ts). */
  ready?: string
}

/** @param file relative to the project's root */
export async function startChild(file: string, { env = {}, ready }: Starting = {}): Promise<Child> {
  const child = spawn(process.execPath, [...EXEC_ARGV, '--import', METER, file], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  let asked = 0
  let output = ''

  await new Promise<void>((resolve, reject) => {
    const hear = (data: Buffer): void => {
      output = (output + data).slice(-5000)
      if (ready !== undefined && output.includes(ready)) resolve()
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    child.on('message', (message: Answer | 'ready') => {
      if (message === 'ready') return resolve()
      const { id, value, error } = message
      const asker = waiting.get(id)
      waiting.delete(id)
      if (error === undefined) asker?.resolve(value)
      else asker?.reject(new Error(`${file}: ${error}`))
    })
    child.once('exit', (code, signal) => {
      const ended = new Error(`${file} ended (${code ?? signal}): ${output}`)
      reject(ended)
      for (const asker of waiting.values()) asker.reject(ended)
    })
  })

  const ask = <T>(what: string, ...args: unknown[]): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const id = ++asked
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
      child.send({ id, what, args } satisfies Question)
    })
  return {
    process: child,
    ask,
    cpu: () => ask('cpu', true),
    cpuAsItIs: () => ask('cpu', false),
    memory: () => ask('memory'),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** @param file one that listens where it is free (listen.ts) */
export async function startContender(file: string, env: NodeJS.ProcessEnv): Promise<Server> {
  const child = await startChild(file, { env })
  return { ...child, url: await child.ask('url') }
}
