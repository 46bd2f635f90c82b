/** How true the announced times are: the share of the last requests that ended within the range that was shown. */
import type { Installation } from '../installation.ts'
import { type Finding, ok } from './check-result.ts'

/** Nine in ten are aimed at. */
const MIN_INSIDE = 0.8
/** Of fewer requests the share says nothing. */
const MIN_REQUESTS = 20

export async function checkRunTimes({ catalog, runTimes }: Installation): Promise<Finding[]> {
  const all = await Promise.all(
    catalog.all().map(async (service) => ({ service, ...(await runTimes.calibration(service)) })),
  )
  return all.flatMap(({ service, expected, inside }): Finding[] => {
    if (expected < MIN_REQUESTS) return []
    const check = `Times of ${service.slug}`
    const found = `${Math.round((inside / expected) * 100)} % of the last ${expected} requests ended when announced`
    if (inside / expected >= MIN_INSIDE) return [ok(check, found)]
    const todo = 'Look at the slow step in the log: the announced times follow within 200 requests.'
    return [{ check, result: 'warn', found, todo }]
  })
}
