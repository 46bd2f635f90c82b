/**
 * Reads records that version 0.1 wrote: without the fields that had not changed since creation, and with compact steps.
 * Records live for half an hour, so this file can be deleted in the release after next.
 *
 *   "waits", ["runs", "28.546Z"], ["is-done", "28.546Z", "9:01.002Z"], ["was-skipped", null, null]
 *
 * A short time is the end in which it differs from `created_at`. Absent steps are those of the service, none started.
 */
import { findService } from '../catalog/index.ts'
import { toIso } from '../domain/iso-time.ts'
import { initialSteps } from '../domain/steps.ts'

/** Whether version 0.1 wrote it last: this version always writes `max_progress`, and never `write_id`. */
export const isOldRecord = (given: Record<string, unknown>): boolean =>
  'write_id' in given || !('max_progress' in given)

export function upgradeRecord(given: Record<string, unknown>): Record<string, unknown> {
  const { write_id, reached, guarded: _guarded, message_seal: _seal, installation: _of, ...fields } = given
  const { steps, service_slug: slug, created_at } = fields
  const upgraded: Record<string, unknown> = { ...fields, max_progress: reached ?? 0 }
  if (write_id !== undefined) upgraded.revision = write_id
  if (steps === undefined) upgraded.steps = initialSteps(findService(slug as string)?.steps ?? [])
  else if (Array.isArray(steps)) {
    const created = Date.parse(String(created_at))
    const prefix = Number.isNaN(created) ? '' : toIso(created)
    upgraded.steps = steps.map((step) => expandStep(step, prefix))
  }
  return upgraded
}

/** Another program may have changed a step to anything: an invalid time becomes null. */
function expandStep(step: unknown, created: string): unknown {
  if (typeof step === 'string') return { id: step, state: 'waiting', started_at: null, finished_at: null }
  if (!Array.isArray(step)) return step
  const [id, started, finished] = step as unknown[]
  return {
    id,
    state: step.length > 2 ? 'done' : 'current',
    started_at: expandTime(started, created),
    finished_at: expandTime(finished, created),
  }
}

const expandTime = (end: unknown, created: string): string | null =>
  typeof end === 'string' ? created.slice(0, Math.max(0, created.length - end.length)) + end : null
