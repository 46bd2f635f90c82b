/** Events of an embedded request for the host page: each newer state once, and each kind of state when it is reached. */
import { isFinal, isNewer, type PublicView } from '../core/domain/record.ts'

/** `detail` is the public view of the request. */
export type EmbedEvent = 'progress' | 'otp-required' | 'completed' | 'failed' | 'cancelled'

/** There is nothing to show: the request has expired (410), is unknown (404) or has another owner (403). */
export interface Gone {
  hash: string
  status: number
}

export interface Emit {
  (event: EmbedEvent, detail: PublicView): void
  (event: 'expired', detail: Gone): void
}

/** @returns takes every view; older and repeated ones emit nothing */
export function createEventEmitter(emit: Emit): (view: PublicView) => void {
  let last: PublicView | null = null
  return (view) => {
    if (last && !isNewer(view, last)) return
    const isReached = eventKind(view) !== (last && eventKind(last))
    last = view
    emit('progress', view)
    if (isReached && view.requires_otp) emit('otp-required', view)
    if (isReached && isFinal(view.status)) emit(view.status as 'completed' | 'failed' | 'cancelled', view)
  }
}

/** A replaced code is a new prompt. */
const eventKind = (view: PublicView): string => `${view.status} ${view.otp_data?.id ?? ''}`
