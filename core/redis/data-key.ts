/** Whether a process has the DATA_KEY of its installation: without it, it could read no data, and would write readable one. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, Redis } from 'ioredis'
import { type DataBox, isSealedText } from '../runtime/data-box.ts'
import { StartupError } from '../runtime/startup-error.ts'

const TEXT = 'halfway'
/** A patient connection to a Cluster that lacks the key's slot would wait until it is complete. */
const ANSWER_WITHIN_MS = 3_000

/**
 * The first process with a key stores a sealed text, which every other one must open.
 *
 * @throws StartupError
 */
export const checkDataKey = (redis: Redis | Cluster, box: DataBox, name: string): Promise<void> =>
  Promise.race([check(redis, box, name), sleep(ANSWER_WITHIN_MS, undefined, { ref: false })])

async function check(redis: Redis | Cluster, box: DataBox, name: string): Promise<void> {
  const stored = await redis.get(name).catch(() => null)
  if (stored === null) {
    // A Redis that accepts no writes now gets it from the next process.
    if (box.seals) await redis.set(name, box.seal(name, TEXT), 'NX').catch(() => {})
    return
  }
  if (!isSealedText(stored)) return
  if (!box.opens)
    throw new StartupError(
      `the data of this installation is sealed: set its DATA_KEY. To stop sealing, see docs/SECURITY.md (key ${name}).`,
    )
  if (box.open(name, stored) === null)
    throw new StartupError(
      'DATA_KEY is not the key of this installation. To change it, set both with a comma between, see docs/SECURITY.md.',
    )
  // From now on by the first key, so that an older one can be dropped, and without one processes without a key may start.
  await (box.seals ? redis.set(name, box.seal(name, TEXT)) : redis.del(name)).catch(() => {})
}
