/** The users of docs/SECURITY.md, as a real Redis has them. */
import { readFileSync } from 'node:fs'
import type { RedisProcess } from './redis-servers.ts'

export type AclUser =
  | 'halfway-server'
  | 'halfway-workers'
  | 'halfway-bots'
  | 'halfway-cli'
  | 'halfway-bridge'
  | 'halfway-tasks'

const DOCUMENT = readFileSync(new URL('../../docs/SECURITY.md', import.meta.url), 'utf8')

const LINES = (/```acl\n([\s\S]*?)```/.exec(DOCUMENT)?.[1] ?? '').trim().split('\n')
const isOfDefault = (line: string): boolean => line.startsWith('user default ')

/** The lines of Halfway's users as they stand in the document, by user. */
export const ACL_LINES = new Map(
  LINES.filter((line) => !isOfDefault(line)).map((line) => [line.split(' ')[1] as AclUser, line]),
)
/** What the document does with clients that have no user: arguments of ACL SETUSER. Tests administer Redis as one of them. */
export const DEFAULT_USER = LINES.find(isOfDefault)?.split(' ').slice(1) ?? []

/** The address of Redis for a user. */
export function addressFor(user: AclUser, redis: Pick<RedisProcess, 'port'>): string {
  const [, password] = / >(\S+)/.exec(ACL_LINES.get(user) ?? '') ?? []
  return `redis://${user}:${password}@127.0.0.1:${redis.port}`
}

/** Lines of a redis.conf for a server with these users, and with an administrator without a password. */
export const ACL_CONF = { user: [...ACL_LINES.values()].map((line) => line.replace(/^user /, '')) }

/** What Redis has refused to whom, by its own log. */
export async function refusedByAcl(redis: RedisProcess): Promise<string[]> {
  const entries = (await redis.run('ACL', 'LOG', 128)) as (string | number)[][]
  return entries.map((entry) => {
    const fields = new Map(entry.map((field, i) => [field, entry[i + 1]]))
    return ['username', 'reason', 'context', 'object'].map((name) => fields.get(name)).join(' ')
  })
}
