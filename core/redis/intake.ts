/** Takes a new request in: its record, somebody who looks after it, its job. */
import type { RequestRecord } from '../record.ts'
import type { Service } from '../services/service.ts'
import type { Deadlines } from './deadlines.ts'
import type { Queues } from './queues.ts'
import type { RequestStore } from './request-store.ts'

/** When a rescuer looks for the first time: early enough for a service with a short limit, or for a job that was lost. */
const FIRST_LOOK_MS = 10_000

/**
 * Does nothing that was done before: whoever began with this record may have died.
 *
 * @throws AppError `storage_unavailable`, or what Redis said
 */
export type Intake = (record: RequestRecord, service: Pick<Service, 'queue' | 'priority'>) => Promise<void>

export const createIntake =
  ({
    store,
    deadlines,
    queues,
  }: {
    store: Pick<RequestStore, 'create'>
    deadlines: Pick<Deadlines, 'remind'>
    queues: Pick<Queues, 'add'>
  }): Intake =>
  async (record, service) => {
    // The record comes first: a worker must never meet a job without one. A job whose record exists already is added
    // again, since whoever made the record may have died before; BullMQ takes the same id only once.
    await Promise.all([
      deadlines.remind(record.hash, Date.parse(record.run_at ?? record.created_at) + FIRST_LOOK_MS),
      store.create(record),
    ])
    await queues.add(record, service)
  }
