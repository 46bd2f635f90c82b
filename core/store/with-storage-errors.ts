import { AppError } from '../domain/errors.ts'

/**
 * Runs work that uses Redis, so that callers see one error for whatever fails there. Programming errors stay what they are.
 *
 * @throws AppError `storage_unavailable`, or the AppError of the work
 */
export async function withStorageErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AppError || error instanceof TypeError || error instanceof RangeError) throw error
    throw new AppError('storage_unavailable', { cause: error })
  }
}
