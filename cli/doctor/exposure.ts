/** Checks of an installation in production: who is let into Redis, and what crosses a network in the clear. */
import { lookup } from 'node:dns/promises'
import { PROBE_OPTIONS } from '../../core/redis/rights.ts'
import { listMasters, type RedisNode } from '../../core/redis/server-info.ts'
import { openTls } from '../../core/redis/tls.ts'
import type { Config } from '../../core/runtime/config.ts'
import { isPublicAddress } from '../../core/runtime/public-only.ts'
import { parseRedisAddress } from '../../core/runtime/redis-address.ts'
import type { RedisTarget, TlsFiles } from '../../core/runtime/redis-target.ts'
import type { Installation } from '../installation.ts'
import { type Finding, notVisible, ok } from './check-result.ts'

export function checkConsole({ production, server }: Config): Finding {
  const check = 'Console'
  if (server.console === null) return ok(check, 'off')
  if (!production || server.publicUrl?.startsWith('https:')) return ok(check, 'on')
  const found = `on, and PUBLIC_URL ${server.publicUrl === undefined ? 'is not set' : 'is not https'}: its cookie may cross the network in the clear`
  return { check, result: 'warn', found, todo: 'Put TLS in front, and set PUBLIC_URL to its https address.' }
}

/** The default user has no password until one is set, also beside users that have one. */
export async function checkAccess({ config, redis }: Installation): Promise<Finding[]> {
  const check = 'Redis access'
  const answers = await Promise.all(
    listMasters(redis).map((node) => answerToAnyone(node, config.connections.tls)),
  )
  if (answers.includes('served')) {
    const found = 'serves everyone who reaches it: its default user has no password'
    if (!config.production || isSocket(config.redis)) return [ok(check, found)]
    const todo =
      'Set requirepass, or with an ACL file "user default off": docs/SECURITY.md, "Rights in Redis".'
    return [{ check, result: 'warn', found, todo }]
  }
  if (answers.includes('unknown'))
    return [notVisible(check, 'whether it asks for a password', 'Try it: redis-cli -h HOST ping')]
  return [ok(check, 'asks for a password or a certificate')]
}

/** Only users of this machine reach a socket, and its mode says which of them. */
const isSocket = (target: RedisTarget): boolean => 'url' in target && 'path' in parseRedisAddress(target.url)

/** How it answers a connection without any user, password and certificate. */
async function answerToAnyone(node: RedisNode, tls?: TlsFiles): Promise<'served' | 'refused' | 'unknown'> {
  const anyone = node.duplicate({
    ...PROBE_OPTIONS,
    username: undefined,
    password: undefined,
    connectionName: undefined,
    db: 0,
    ...(node.options.tls && { tls: openTls({ ca: tls?.ca }) }),
  })
  let reason: Error | undefined
  anyone.on('error', (error: Error) => {
    reason = error
  })
  try {
    await anyone.connect()
    await anyone.ping()
    return 'served'
  } catch (error) {
    const isRefusal = [reason, error].some((one) => (one as Error | undefined)?.name === 'ReplyError')
    // It may only have asked for a certificate.
    return isRefusal || tls?.cert !== undefined ? 'refused' : 'unknown'
  } finally {
    anyone.disconnect()
  }
}

export async function checkEncryption({ config }: Installation): Promise<Finding[]> {
  const check = 'Redis encryption'
  const { concurrency, production, redis } = config
  const targets = [redis, ...(concurrency.driver === 'redis' ? [concurrency.redis] : [])]
  const plain = [...new Set(targets.flatMap(plainHosts))]
  const isPublic = await Promise.all(plain.map(leadsOutside))
  const exposed = plain.filter((_host, i) => isPublic[i])
  if (exposed.length > 0 && production) {
    const found = `plain redis:// to ${exposed.join(', ')}, over a network that is not private`
    return [{ check, result: 'warn', found, todo: 'Use rediss://: docs/OPERATE.md, "TLS".' }]
  }
  return [ok(check, plain.length === 0 ? 'TLS, or on this machine' : 'plain, in a private network')]
}

/** Hosts of servers that are reached without TLS. */
function plainHosts(target: RedisTarget): string[] {
  if (target.kind === 'embedded' || ('tls' in target && target.tls)) return []
  if (target.kind === 'sentinel') return target.sentinels.map(({ host }) => host)
  if (target.kind === 'cluster') return target.nodes.map(({ host }) => host)
  if (!('url' in target)) return [target.host]
  const address = parseRedisAddress(target.url)
  return 'path' in address || address.tls ? [] : [address.host]
}

/** A name that does not resolve here says nothing. */
async function leadsOutside(host: string): Promise<boolean> {
  const addresses = await lookup(host, { all: true }).catch(() => [])
  return addresses.some(({ address }) => isPublicAddress(address))
}
