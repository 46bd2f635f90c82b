/** A lock between the processes of one machine: a folder, which only one of them can create. */
import { lstatSync, mkdirSync, rmSync } from 'node:fs'

/**
 * Whether the lock was free and is taken now.
 *
 * @param staleAfterMs a lock of this age is removed, since its process was killed: the next try can take it
 */
export function tryLock(folder: string, staleAfterMs: number): boolean {
  try {
    mkdirSync(folder)
    return true
  } catch (error) {
    // Windows says EPERM while the folder is being removed.
    if (!['EEXIST', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
  // The lock may have been released since.
  const lock = lstatSync(folder, { throwIfNoEntry: false })
  if (lock && Date.now() - lock.mtimeMs > staleAfterMs) unlock(folder)
  return false
}

export const unlock = (folder: string): void => rmSync(folder, { recursive: true, force: true })
