/** Composes what decides who is let in: sessions, users, owners, origins, hosts, addresses. */

import type { RedisClient } from '../core/redis/connect.ts'
import type { InstallationSecret } from '../core/redis/installation-secret.ts'
import type { Config } from '../core/runtime/config.ts'
import type { Log } from '../core/runtime/log.ts'
import type { AuditLog } from '../core/store/audit-log.ts'
import type { RequestStore } from '../core/store/request-store.ts'
import { createAddressOf, createIsHttps, createTrust } from './client-address.ts'
import { createHostCheck } from './middleware/host.ts'
import { createOriginCheck } from './middleware/origin.ts'
import { createOwnership } from './ownership.ts'
import { createRefusedCalls } from './refused-calls.ts'
import { createSessionCookies } from './sessions.ts'
import { createSignIn } from './sign-in.ts'
import { createViewLinks } from './view-links.ts'

export interface AccessDeps {
  redis: RedisClient
  secret: Pick<InstallationSecret, 'digest'>
  config: Pick<Config, 'server' | 'requestTtlSeconds'>
  audit: AuditLog
  log: Log
}

export function openAccess(
  { redis, secret, config: { server: settings, requestTtlSeconds: ttlSeconds }, audit, log }: AccessDeps,
  store: RequestStore,
) {
  const isAlwaysHttps = settings.publicUrl?.startsWith('https:') ?? false
  const sessions = createSessionCookies(secret, { isAlwaysHttps })
  const signIn = createSignIn({ settings, secret, log })
  const trusts = createTrust(settings.trustProxy)
  const addressOf = createAddressOf(trusts)
  const refusedCalls = createRefusedCalls({ audit, secret, addressOf })
  const viewLinks = createViewLinks({ redis, secret, ttlSeconds })
  return {
    viewLinks,
    sessions,
    signIn,
    addressOf,
    isHttps: createIsHttps(trusts),
    ownership: createOwnership({ mode: settings.ownerCheck, store, viewLinks, sessions }),
    isAllowedOrigin: createOriginCheck(settings),
    refuseHost: createHostCheck(settings),
    onRefusal: refusedCalls.onRefusal,
    stop(): Promise<void> {
      signIn.stop()
      return refusedCalls.stop()
    },
  }
}

export type Access = ReturnType<typeof openAccess>
