/**
 * Loaded before the main file of every process of a benchmark, ours too: tells the bench what the process has used, and
 * answers what else the file itself offers to be asked.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { getHeapStatistics } from 'node:v8'

export interface Question {
  id: number
  what: string
  args: unknown[]
}
export interface Answer {
  id: number
  value?: unknown
  error?: string
}
type Answers = Record<string, (...args: never[]) => unknown>

const answers: Answers = {
  cpu(collect: boolean) {
    if (collect) globalThis.gc?.({ type: 'minor' })
    const { user, system } = process.cpuUsage()
    return user + system
  },
  async memory() {
    // What is only freed once something else was: until nothing more goes.
    for (let i = 0; i < 3; i++) {
      globalThis.gc?.()
      await sleep(30)
    }
    const resident = process.memoryUsage.rss()
    const { total_physical_size: reserved, used_heap_size: heap } = getHeapStatistics()
    return { resident, kept: resident - (reserved - heap), heap }
  },
}

process.on('message', async ({ id, what, args }: Question) => {
  try {
    const answer = answers[what]
    if (!answer) throw new Error(`cannot be asked for "${what}"`)
    process.send?.({ id, value: await answer(...(args as never[])) } satisfies Answer)
  } catch (error) {
    process.send?.({ id, error: String((error as Error).stack ?? error) } satisfies Answer)
  }
})

// A bench that was killed has stopped nobody.
process.once('disconnect', () => process.exit())

/** Told once by the file's own main, when it can be used. */
export function ready(more: Answers = {}): void {
  Object.assign(answers, more)
  process.send?.('ready')
}
