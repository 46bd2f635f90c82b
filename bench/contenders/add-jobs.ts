import { createRequestHash } from '../../core/domain/request-id.ts'

const BATCH = 250

/** Adds this many jobs, a batch at a time, as the server does with a batch of requests. @returns jobs a second */
export async function addJobs(count: number, add: (hash: string) => Promise<unknown>): Promise<number> {
  const start = performance.now()
  for (let added = 0; added < count; added += BATCH)
    await Promise.all(Array.from({ length: BATCH }, () => add(createRequestHash(Date.now()))))
  return (count / (performance.now() - start)) * 1000
}
