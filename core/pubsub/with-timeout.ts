/** Limits how long opening something may take. What opens too late is closed again. */
import { AppError } from '../domain/errors.ts'
import { withStorageErrors } from '../store/storage-errors.ts'

/** @throws AppError `storage_unavailable` when it takes longer, or fails otherwise */
export async function withTimeout<T extends () => void>(
  limitMs: number | undefined,
  work: Promise<T>,
): Promise<T> {
  if (limitMs === undefined) return work
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new AppError('storage_unavailable')), limitMs)
  })
  try {
    return await withStorageErrors(() => Promise.race([work, late]))
  } catch (error) {
    work.then((stop) => stop()).catch(() => {})
    throw error
  } finally {
    clearTimeout(timer)
  }
}
