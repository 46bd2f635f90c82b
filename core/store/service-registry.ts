/**
 * The services that bots announce, in Redis: definitions by slug, and the bots that serve them. A bot announces itself again
 * every 15 s; what was not announced for a day is removed.
 */
import { hash as digest } from 'node:crypto'
import { nanoid } from 'nanoid'
import { parseService, parseStoredService, type Service } from '../catalog/service-definition.ts'
import { AppError } from '../domain/errors.ts'
import type { RedisClient } from '../redis/connect.ts'
import { announceService } from '../redis/scripts.ts'

/** How often bots announce their services. */
export const ANNOUNCE_EVERY_MS = 15_000
/** A service or bot that was not announced for this long is called silent. */
export const SILENT_AFTER_MS = 60_000
const KEPT_MS = 24 * 3_600_000
const MAX_SERVICES = 500
const MAX_BOTS = 2_000
const MAX_DEFINITION_BYTES = 256 * 1024

/** A bot as it announces itself. */
export interface BotAddress {
  /** `http://host:port`, without a slash at the end. */
  address: string
  /** How many requests it runs at once. */
  concurrency: number
  /** It finishes what runs and accepts nothing new. */
  draining?: boolean
}

export interface Announcement {
  definition: unknown
  /** The name of the token it was sent with: the first one to announce a slug owns it. */
  owner: string
  /** Left out, the service's requests go to LOCAL_API_URL. */
  bot?: BotAddress
}

export interface AnnouncedBot extends BotAddress {
  slug: string
  /** The name of its token. */
  name: string
}

/** Everything that is announced, and when each bot was announced last. */
export interface Announced {
  version: string
  services: Service[]
  /** The names of their owners, by slug. */
  owners: ReadonlyMap<string, string>
  bots: AnnouncedBot[]
}

export interface ServiceRegistry {
  /**
   * @returns `older` when a newer definition of this slug stands, announced by another bot within the last minute
   * @throws AppError `validation_failed` with all that is wrong, `slug_taken`, `too_many_services`
   */
  announce(announcement: Announcement): Promise<'ok' | 'older'>
  read(): Promise<Announced>
  /** Changes whenever `read` would give something else. */
  version(): Promise<string>
  /** When each bot was announced last, milliseconds since 1970, by `{slug} {address}`; an empty address for a service without bots. */
  lastAnnounced(): Promise<ReadonlyMap<string, number>>
  /** Slugs for which a bot announces an outdated definition. */
  conflicts(): Promise<string[]>
}

export function createServiceRegistry({
  redis,
  now = Date.now,
}: {
  redis: RedisClient
  now?: () => number
}): ServiceRegistry {
  const { services: keys } = redis.names
  const version = async (): Promise<string> => (await redis.get(keys.version)) ?? ''

  return {
    async announce({ definition, owner, bot }) {
      const service = checkDefinition(definition)
      const at = now()
      // The definition as it was sent: a later version may read more of it.
      const json = JSON.stringify(definition)
      const answer = await announceService(redis, {
        keys,
        slug: service.slug,
        owner,
        definition: json,
        fingerprint: digest('sha256', json, 'base64url').slice(0, 22),
        address: bot?.address ?? '',
        bot: JSON.stringify({
          name: owner,
          concurrency: bot?.concurrency ?? 0,
          draining: bot?.draining ?? false,
        }),
        now: at,
        silentUntil: at - SILENT_AFTER_MS,
        expiredUntil: at - KEPT_MS,
        maxServices: MAX_SERVICES,
        maxBots: MAX_BOTS,
        ttlMs: KEPT_MS,
        changeId: nanoid(),
      })
      if (answer === 'full') throw new AppError('too_many_services')
      if (answer.startsWith('owner '))
        throw new AppError('slug_taken', {
          detail: `"${service.slug}" was announced first with the token "${answer.slice(6)}".`,
        })
      return answer as 'ok' | 'older'
    },

    async read() {
      const [readVersion, all, bots] = await Promise.all([
        version(),
        redis.hgetall(keys.all),
        redis.hgetall(keys.bots),
      ])
      const services = Object.entries(all)
        .filter(([field]) => field.endsWith(' definition'))
        .flatMap(([, json]) => parseStoredService(parseJson(json)) ?? [])
      const owners = services.map(({ slug }): [string, string] => [slug, all[`${slug} owner`] ?? ''])
      return {
        version: readVersion,
        services,
        owners: new Map(owners),
        bots: Object.entries(bots).flatMap(toBot),
      }
    },

    version,

    async lastAnnounced() {
      const flat = await redis.zrange(keys.seen, '0', '-1', 'WITHSCORES')
      const pairs = flat.flatMap((member, i): [string, number][] =>
        i % 2 === 0 ? [[member, Number(flat[i + 1])]] : [],
      )
      return new Map(pairs)
    },

    async conflicts() {
      const members = await redis.zrangebyscore(keys.older, now() - SILENT_AFTER_MS, '+inf')
      return [...new Set(members.map((member) => member.split(' ')[0] as string))]
    },
  }
}

function checkDefinition(definition: unknown): Service {
  if (Buffer.byteLength(JSON.stringify(definition) ?? '') > MAX_DEFINITION_BYTES)
    throw new AppError('body_too_large', { detail: 'A definition has at most 256 kB.' })
  const parsed = parseService(definition)
  if (parsed.ok) return parsed.service
  throw new AppError('validation_failed', {
    detail: 'The definition of the service is invalid.',
    errors: parsed.errors.map((text) => {
      const at = text.indexOf(': ')
      return { field: text.slice(0, at), code: 'invalid_definition', params: { reason: text.slice(at + 2) } }
    }),
  })
}

function toBot([member, json]: [string, string]): AnnouncedBot[] {
  const [slug = '', address = ''] = member.split(' ')
  const value = parseJson(json) as Partial<AnnouncedBot> | undefined
  if (address === '' || typeof value?.concurrency !== 'number') return []
  return [
    {
      slug,
      address,
      name: String(value.name),
      concurrency: value.concurrency,
      draining: value.draining === true,
    },
  ]
}

/** @returns undefined for invalid JSON */
function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
