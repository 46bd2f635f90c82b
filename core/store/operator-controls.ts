/**
 * What operators set while Halfway runs: held queues, other limits of queues, closed services. One hash in Redis, which
 * every process follows, at most half a second behind. Nothing in it expires.
 */
import type { ServiceQueue } from '../catalog/queue-definition.ts'
import type { QueueHold } from '../domain/waiting.ts'
import type { RedisClient } from '../redis/connect.ts'
import { retryWithoutWrongTypes } from '../redis/wrong-type.ts'
import type { Log } from '../runtime/log.ts'
import { parseObject } from './parse-object.ts'

/** In place of the definition's; null for none. */
export type ChosenLimits = { concurrency?: number | null; rate?: ServiceQueue['rate'] | null }

/** No request is accepted. */
export interface ClosedService extends QueueHold {
  by: 'operator' | 'failures'
  /** The code with which its last requests failed. */
  code?: string
}

export interface Controls {
  /** By queue name. */
  held: ReadonlyMap<string, QueueHold>
  limits: ReadonlyMap<string, ChosenLimits>
  /** By slug. */
  closed: ReadonlyMap<string, ClosedService>
}

export interface ControlStore {
  read(): Promise<Controls>
  hold(queue: string, message: string | null): Promise<void>
  resume(queue: string): Promise<void>
  /** Null restores the limits of the definition. */
  setLimits(queue: string, limits: ChosenLimits | null): Promise<void>
  close(slug: string, message: string | null): Promise<void>
  open(slug: string): Promise<void>
}

const NO_CONTROLS: Controls = { held: new Map(), limits: new Map(), closed: new Map() }

/** The name of a field in the hash. */
export const closedField = (slug: string): string => `closed ${slug}`

export function createControlStore({
  redis,
  now = Date.now,
}: {
  redis: RedisClient
  now?: () => number
}): ControlStore {
  const key = redis.names.controls.all
  const onHash = <T>(work: () => Promise<T>): Promise<T> =>
    retryWithoutWrongTypes(redis, { [key]: 'hash' }, work)
  const set = async (field: string, value: object): Promise<void> =>
    void (await onHash(() => redis.hset(key, field, JSON.stringify(value))))
  const unset = async (field: string): Promise<void> => void (await onHash(() => redis.hdel(key, field)))
  const since = (): string => new Date(now()).toISOString()

  return {
    read: async () => parseControls(await onHash(() => redis.hgetall(key))),
    hold: (queue, message) => set(`held ${queue}`, { message, since: since() } satisfies QueueHold),
    resume: (queue) => unset(`held ${queue}`),
    setLimits: (queue, limits) => (limits ? set(`limits ${queue}`, limits) : unset(`limits ${queue}`)),
    close: (slug, message) =>
      set(closedField(slug), { message, since: since(), by: 'operator' } satisfies ClosedService),
    open: (slug) => unset(closedField(slug)),
  }
}

function parseControls(fields: Record<string, string>): Controls {
  const of = <Value extends object>(kind: string): Map<string, Value> =>
    new Map(
      Object.entries(fields).flatMap(([field, json]): [string, Value][] => {
        const value = field.startsWith(`${kind} `) ? parseObject<Value>(json) : null
        return value ? [[field.slice(kind.length + 1), value as Value]] : []
      }),
    )
  return { held: of('held'), limits: of('limits'), closed: of('closed') }
}

export interface LiveControls {
  /** As of the last half second; while Redis is away, as last known. */
  current(): Controls
  /** Calls back after each change. */
  onChange(listener: () => void): void
  /** Reads them now. */
  refresh(): Promise<void>
  stop(): void
}

const EVERY_MS = 500

/** Resolves once they have been read. @throws an error of Redis */
export async function openLiveControls({
  controls,
  log,
}: {
  controls: Pick<ControlStore, 'read'>
  log: Log
}): Promise<LiveControls> {
  const listeners: (() => void)[] = []
  let present = NO_CONTROLS
  let asText = ''
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  async function refresh(): Promise<void> {
    const read = await controls.read()
    const text = JSON.stringify(Object.values(read).map((map) => [...map].sort()))
    present = read
    if (text === asText) return
    asText = text
    for (const listener of listeners) listener()
  }

  async function follow(): Promise<void> {
    await refresh().catch((error: unknown) => log.debug({ err: error }, 'the controls could not be read'))
    if (!isStopped) timer = setTimeout(follow, EVERY_MS).unref()
  }

  await refresh()
  timer = setTimeout(follow, EVERY_MS).unref()
  return {
    current: () => present,
    onChange: (listener) => void listeners.push(listener),
    refresh,
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}

/** A queue with the limits that the operator set. */
export function withLimits(queue: ServiceQueue, { limits }: Pick<Controls, 'limits'>): ServiceQueue {
  const { concurrency = queue.concurrency, rate = queue.rate } = limits.get(queue.name) ?? {}
  return { ...queue, concurrency: concurrency ?? undefined, rate: rate ?? undefined }
}
