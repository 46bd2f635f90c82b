/**
 * Lanes of a queue: in a Cluster each lies in a slot of its own, so that one busy queue uses several masters. A request's
 * lane follows from its hash. Workers take the jobs of all lanes, and the limits of the queue are split among them.
 *
 * The first lane has the name of the queue, so that a queue with more lanes than before keeps its waiting jobs.
 */
import type { ServiceQueue } from '../catalog/queue-definition.ts'
import { keySlot } from '../redis/key-slot.ts'

type Lanes = Pick<ServiceQueue, 'name' | 'lanes'>

export const laneNames = ({ name, lanes = 1 }: Lanes): string[] =>
  Array.from({ length: lanes }, (_, i) => (i === 0 ? name : `${name}.${i}`))

export const laneOf = (queue: Lanes, hash: string): string =>
  (queue.lanes ?? 1) === 1 ? queue.name : (laneNames(queue)[keySlot(hash) % (queue.lanes ?? 1)] as string)

/** Each lane as a queue with its part of the limits, 1 at least. */
export function splitQueue(queue: ServiceQueue): ServiceQueue[] {
  const { concurrency, rate, lanes = 1 } = queue
  const part = (whole: number, i: number): number => Math.max(1, Math.floor((whole + i) / lanes))
  return laneNames(queue).map((name, i) => ({
    name,
    ...(concurrency !== undefined && { concurrency: part(concurrency, i) }),
    ...(rate && { rate: { ...rate, requests: part(rate.requests, i) } }),
  }))
}

/** Where a request stands in the whole queue, from its place in its lane: the lanes are equally long on average. */
export const inAllLanes = ({ lanes = 1 }: Lanes, place: number | null): number | null =>
  place === null ? null : (place - 1) * lanes + 1
