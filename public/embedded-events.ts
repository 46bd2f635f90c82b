/** What the page around an embedded request is told: every newer state once, and each kind of state as it is reached. */
import { isNewer } from '../core/domain/compare.ts'
import { isFinal, type PublicView } from '../core/domain/record.ts'

/** `detail` is the request as everybody may see it. */
export type EmbedEvent = 'progress' | 'otp-required' | 'completed' | 'failed' | 'cancelled'

/** There is nothing to show (any more): its time is over (410), it never was (404), or it is somebody else's (403). */
export interface Gone {
  hash: string
  status: number
}

export interface Emit {
  (event: EmbedEvent, detail: PublicView): void
  (event: 'expired', detail: Gone): void
}

/** @returns what hears of the states, as often as it likes */
export function createEventEmitter(onChange: Emit): (view: PublicView) => void {
  let last: PublicView | null = null
  return (view) => {
    if (last && !isNewer(view, last)) return
    const isReached = kindOf(view) !== (last && kindOf(last))
    last = view
    onChange('progress', view)
    if (isReached && view.requires_otp) onChange('otp-required', view)
    if (isReached && isFinal(view.status)) onChange(view.status as 'completed' | 'failed' | 'cancelled', view)
  }
}

/** Another code is another prompt. */
const kindOf = (view: PublicView): string => `${view.status} ${view.otp_data?.id ?? ''}`
