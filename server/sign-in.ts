/**
 * Who calls, where a caller says so in a way that SUBMITTERS names: a program by its API key, a person by the header of a
 * trusted proxy or by a JWT. A name that comes in any other way counts for nothing.
 */
import type { IncomingMessage } from 'node:http'
import express from 'express'
import type { InstallationSecret } from '../core/redis/installation-secret.ts'
import type { Config } from '../core/runtime/config.ts'
import type { Log } from '../core/runtime/log.ts'
import { type ApiKeys, type KeyLimits, openApiKeys } from './api-keys.ts'

export interface User {
  /** `key:shop`, `header:alice` or `jwt:4711`: `user_id` of the record. */
  id: string
  /** Keyed: names the user where requests are counted. */
  digest: string
  /** False for a program, which may submit for many people. */
  isPerson: boolean
}

export interface SignIn {
  /** Null for those who are not signed in. @throws AppError `sign_in_unavailable` */
  userOf(call: Pick<IncomingMessage, 'headers' | 'socket'>): Promise<User | null>
  /** Whether this caller may submit. */
  maySubmit(call: Pick<IncomingMessage, 'headers'>, user: User | null): boolean
  /** Whether programs sign in with `Authorization: Bearer`. */
  readonly readsBearer: boolean
  /** Of the API key that this user is; nothing for others. */
  limitsOf(userId: string | number | null): KeyLimits
  submitsPerMinute(caller: { user: User | null }): number | undefined
  stop(): void
}

const BEARER = /^Bearer +(\S+) *$/i
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/
const MAX_NAME_CHARACTERS = 200
const KEY = 'key:'

/** Whether a record belongs to a user who was signed in: other programs write other ids. */
export const isUserId = (id: unknown): id is string =>
  typeof id === 'string' && /^(?:key|header|jwt):/.test(id)

export function createSignIn({
  settings: { submitters, trustProxy },
  secret,
  log,
}: {
  settings: Pick<Config['server'], 'submitters' | 'trustProxy'>
  secret: Pick<InstallationSecret, 'digest'>
  log: Log
}): SignIn {
  const { ways, header, jwt } = submitters
  const readsBearer = ways.includes('keys') || ways.includes('jwt')
  const keys: ApiKeys | null = ways.includes('keys') ? openApiKeys({ access: submitters, log }) : null
  const jwtCheck = jwt && import('./jwt-check.ts').then(({ createJwtCheck }) => createJwtCheck(jwt))
  const trusts = express().set('trust proxy', trustProxy).get('trust proxy fn') as (
    address: string | undefined,
    hop: number,
  ) => boolean

  const toUser = (id: string): User => ({
    id,
    digest: secret.digest('user', id),
    isPerson: !id.startsWith(KEY),
  })

  const limitsOf: SignIn['limitsOf'] = (id) =>
    keys && isUserId(id) && id.startsWith(KEY) ? keys.limitsOf(id.slice(KEY.length)) : {}

  return {
    readsBearer,
    async userOf({ headers, socket }) {
      const bearer = bearerOf(headers)
      const key = bearer === null ? null : (keys?.nameOf(bearer) ?? null)
      if (key !== null) return toUser(KEY + key)
      if (header !== undefined && trusts(socket.remoteAddress, 0)) {
        const name = String(headers[header] ?? '').trim()
        if (name !== '' && name.length <= MAX_NAME_CHARACTERS) return toUser(`header:${name}`)
      }
      const subject = jwtCheck && bearer !== null && JWT.test(bearer) ? await (await jwtCheck)(bearer) : null
      return subject === null ? null : toUser(`jwt:${subject}`)
    },
    maySubmit({ headers }, user) {
      if (user !== null) return true
      // A caller whose key or token is not valid any more should learn it.
      return ways.includes('anyone') && !(readsBearer && bearerOf(headers) !== null)
    },
    limitsOf,
    submitsPerMinute: ({ user }) => limitsOf(user?.id ?? null).submits_per_minute,
    stop: () => keys?.stop(),
  }
}

const bearerOf = ({ authorization = '' }: IncomingMessage['headers']): string | null =>
  BEARER.exec(authorization)?.[1] ?? null
