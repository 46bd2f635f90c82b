/** Checks that each worker process gives signs of life: one that is frozen keeps what it runs, while others look well. */
import { tryToWrite } from '../../core/queue/readiness.ts'
import { readWorkerProcesses } from '../../core/store/worker-processes.ts'
import type { Installation } from '../installation.ts'
import { type Finding, ok } from './check-result.ts'

export async function checkWorkers({ redis, now }: Installation): Promise<Finding[]> {
  // Signs of life are writes: while Redis refuses those, which is a finding of its own, all workers are silent.
  if ((await tryToWrite(redis)) !== null) return []
  const all = await readWorkerProcesses(redis, now())
  const silent = all.filter(({ isSilent }) => isSilent)
  const others = all.length - silent.length
  return [
    ...(others > 0 ? [ok('Workers', `${others} process${others === 1 ? '' : 'es'}`)] : []),
    ...silent.map(({ name, silentSeconds }): Finding => {
      const pid = name.slice(name.lastIndexOf(':') + 1)
      return {
        check: `Worker ${name}`,
        result: 'warn',
        found: `has not been heard from for ${silentSeconds} s: it is frozen or was killed`,
        todo: `Type kill -9 ${pid} on its machine if it is still there, and start it again: others take over what it held within 25 s.`,
      }
    }),
  ]
}
