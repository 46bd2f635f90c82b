/** Notices that Redis refuses a command because its user has no right to it: at the start, and while the process runs. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../runtime/log.ts'
import { StartupError } from '../runtime/startup-error.ts'

export const ACL_LINES = 'the ACL lines are in docs/SECURITY.md, "Rights in Redis"'

export interface RightsWatch {
  /** Call it with each error of Redis. */
  notice(error: Error): void
  /** What is refused now, as a sentence; null when nothing is. */
  refusal(): Promise<string | null>
}

/** Of a command, or of one in a script, which older versions of Redis report in other words. */
export const isRefusal = ({ message }: Error): boolean =>
  /NOPERM|The user executing the script can't/.test(message)
/** Used where they are allowed. */
const OPTIONAL = /^(?:info|config|client)$/i
/** Every command may be refused from now on: one line in this time says so. */
const LOG_INTERVAL_MS = 60_000
const ANSWER_WITHIN_MS = 3_000

const describeMissing = (user: string, missing: readonly string[]): string =>
  `the user "${user}" of Redis has no right to ${missing.join(', ')}; ${ACL_LINES}`

/** What an error of Redis says about it. */
export function missingIn({ message }: Error): string[] {
  const [, command] = /^NOPERM.* to run the '([\w|]+)' command/.exec(message) ?? []
  return command === undefined ? [] : [`the command ${command}`]
}

/** @throws StartupError naming the user and what it lacks */
export function requireRights(user: string, missing: readonly string[]): void {
  if (missing.length > 0) throw new StartupError(`Cannot start: ${describeMissing(user, missing)}.`)
}

/** @param findMissing what the user lacks */
export function watchRights({
  user,
  findMissing,
  log,
}: {
  user: string
  findMissing: () => Promise<string[]>
  log: Log
}): RightsWatch {
  let isRefused = false
  let lastRefused: string[] = []
  let loggedAt = Number.NEGATIVE_INFINITY

  async function refusal(): Promise<string | null> {
    if (!isRefused) return null
    // The check itself may get no answer from a Redis that refuses every command.
    const missing = await Promise.race([findMissing(), sleep(ANSWER_WITHIN_MS, lastRefused, { ref: false })])
    isRefused = missing.length > 0
    return isRefused ? describeMissing(user, missing) : null
  }

  async function logRefusal(error: Error): Promise<void> {
    const found = await refusal().catch(() => null)
    log.error({ user, reason: found ?? error.message }, 'Redis refuses a command for want of a right')
  }

  return {
    notice(error) {
      const { command } = error as { command?: { name: string } }
      if (!isRefusal(error) || OPTIONAL.test(command?.name ?? '')) return
      isRefused = true
      lastRefused = missingIn(error)
      if (performance.now() - loggedAt < LOG_INTERVAL_MS) return
      loggedAt = performance.now()
      void logRefusal(error)
    },
    refusal,
  }
}
