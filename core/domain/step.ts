/** A step of a request, as stored and as shown. */
import type { IsoTime } from './iso-time.ts'

export interface Step {
  id: string
  state: 'waiting' | 'current' | 'done'
  started_at: IsoTime | null
  finished_at: IsoTime | null
  /** The parent step of a substep. Substeps run concurrently; only they have `progress` (0 to 100) and an `outcome`. */
  of?: string
  progress?: number
  outcome?: 'failed' | 'skipped'
  /** How long it waited for answers, milliseconds; absent where it did not. */
  waited_ms?: number
}
/** A substep as a bot reports it. */
export type SubstepReport = Pick<Step, 'id' | 'state' | 'progress' | 'outcome'>
