/**
 * A lock between the processes of one machine: a file with the pid of its holder. It appears with its content, as a link to a
 * file that is complete.
 */
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

/**
 * Takes the lock if it is free. Removes the lock of a process that has ended, so that the next try succeeds.
 * @returns whether this process holds it now
 */
export function tryLock(path: string): boolean {
  if (take(path)) return true
  if (isStale(path)) removeStale(path)
  return false
}

export const unlock = (path: string): void => rmSync(path, { force: true })

function take(path: string): boolean {
  const own = `${path}.${process.pid}`
  writeFileSync(own, String(process.pid), { mode: 0o600 })
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  } finally {
    rmSync(own)
  }
}

/** One process at a time removes it, and only while it is still stale: another one may have taken the lock since. */
function removeStale(path: string): void {
  const removing = `${path}-removing`
  if (!take(removing)) return
  if (isStale(path)) unlock(path)
  unlock(removing)
}

function isStale(path: string): boolean {
  try {
    return !isAlive(Number(readFileSync(path, 'utf8')))
  } catch {
    // It has been released since.
    return false
  }
}

/** Whether there is a process with this pid. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
