/** Bots that report on many requests at an even pace, by the updater that every bot of ours uses. */
import { createUpdater } from '../../bots/updater.ts'
import { ready } from '../measure/meter.ts'
import { type Pace, pace } from '../measure/pace.ts'
import { sayWhenSent } from '../measure/sent.ts'
import { SERVICE } from '../requests.ts'

export interface Reporting extends Pace {
  /** Of requests as `seed` makes them; they take turns. */
  hashes: string[]
}

/** As far as the requests are: each report says something new, and none is refused. */
const [PROGRESS, STEP, ATTEMPT] = [50, SERVICE.steps[2]?.id, 1]

const updater = await createUpdater({ redis: process.env.REDIS_URL as string })

/** @returns how many reports were written */
async function run({ hashes, ...at }: Reporting): Promise<number> {
  const requests = hashes.map((hash) => updater.bind(hash, () => ATTEMPT))
  const writes: Promise<void>[] = []
  await pace(at, () => {
    const request = requests[writes.length % requests.length]
    if (request) writes.push(request.updateProgress(PROGRESS, STEP, sayWhenSent()))
  })
  await Promise.all(writes)
  return writes.length
}

ready({ run })
