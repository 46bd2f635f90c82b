/**
 * Variables that look like settings of Redis and are none. A misspelt one would be ignored silently, and lead to another Redis
 * than intended, or to one without a password.
 *
 * Kubernetes sets variables for each service of the namespace (service links). For a service `redis` or `redis-master` these
 * begin with REDIS_, and one of them is REDIS_PORT=tcp://10.0.0.1:6379. They say nothing about this process, and are ignored.
 */
import { closestMatch } from 'leven'

const PREFIX = 'REDIS_'
const SERVICE_LINK =
  /_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/
const LINKED_PORT = /^(?:tcp|udp|sctp):\/\//

const isServiceLink = (name: string, value: string): boolean =>
  name.startsWith(PREFIX) && (SERVICE_LINK.test(name) || (name.endsWith('_PORT') && LINKED_PORT.test(value)))

export const withoutServiceLinks = (given: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(given).filter(([name, value]) => !isServiceLink(name, value)))

/** @param known the names of all settings */
export function unknownSettings(
  given: Readonly<Record<string, unknown>>,
  known: readonly string[],
): string[] {
  const own = known.filter((name) => name.startsWith(PREFIX))
  return Object.keys(given)
    .filter((name) => name.startsWith(PREFIX) && !own.includes(name))
    .map((name) => `${name}: there is no such setting; did you mean ${findNearest(name, own)}?`)
}

/** A longer or shorter form of the name comes before one with other letters. */
function findNearest(name: string, known: readonly string[]): string | undefined {
  const related = known.filter((one) => one.startsWith(name) || name.startsWith(one))
  return closestMatch(name, related.length > 0 ? related : known)
}
