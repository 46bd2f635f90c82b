/** Redis connections by name: `default` is Halfway's own, REDIS_CONNECTIONS names others. */
import { checkRedisAddress } from './redis-address.ts'
import type { RedisTarget } from './redis-target.ts'

export type NamedConnections = Readonly<Record<string, RedisTarget>>

/**
 * @param text a name, or the address of a Redis
 * @returns the target; what is wrong, as the end of a sentence that never repeats an address, when there is none
 */
export function findConnection(connections: NamedConnections, text: string): RedisTarget | string {
  const named = Object.hasOwn(connections, text) ? connections[text] : undefined
  if (named) return named
  if (text.includes('://')) return checkRedisAddress(text) ?? { kind: 'single', url: text }
  const names = Object.keys(connections).join(', ')
  return `names no connection; there are: ${names} (REDIS_CONNECTIONS names more)`
}
