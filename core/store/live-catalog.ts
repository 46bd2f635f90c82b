/** Follows what bots announce: the catalogue of this process, at most half a second behind Redis. */
import { type Catalog, createCatalog } from '../catalog/catalog.ts'
import type { Log } from '../runtime/log.ts'
import { type AnnouncedBot, type ServiceRegistry, SILENT_AFTER_MS } from './service-registry.ts'

export interface LiveCatalog extends Catalog {
  /** The bots that serve it and accept new requests, those only that were announced within the last minute, where there are any. */
  botsOf(slug: string): readonly AnnouncedBot[]
  /** Whether bots have announced it, those that are draining too. */
  hasBots(slug: string): boolean
  /** All bots of the service, those that are draining too. */
  findBot(slug: string, address: string): AnnouncedBot | undefined
  /** Calls back after each change. */
  onChange(listener: () => void): void
  /** Reads the newest state now. */
  refresh(): Promise<void>
  stop(): void
}

const EVERY_MS = 500

/** Resolves once it has been read. @throws an error of Redis */
export async function openLiveCatalog({
  registry,
  log,
  now = Date.now,
  everyMs = EVERY_MS,
}: {
  registry: ServiceRegistry
  log: Log
  now?: () => number
  everyMs?: number
}): Promise<LiveCatalog> {
  const listeners: (() => void)[] = []
  let catalog = createCatalog([])
  let bots: readonly AnnouncedBot[] = []
  let announcedTimes: ReadonlyMap<string, number> = new Map()
  let version: string | null = null
  /** Since when Redis has no services, although it had some. */
  let emptySince: number | null = null
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  async function refresh(): Promise<void> {
    const [latest, latestTimes] = await Promise.all([registry.version(), registry.lastAnnounced()])
    const isEmptied = latest === '' && Boolean(version)
    if (isEmptied) emptySince ??= now()
    // A Redis that came back empty: bots announce themselves again soon.
    if (isEmptied && now() - (emptySince as number) < SILENT_AFTER_MS) return
    emptySince = null
    announcedTimes = latestTimes
    if (latest === version) return
    const announced = await registry.read()
    version = announced.version
    bots = announced.bots
    catalog = createCatalog(announced.services, announced.owners)
    for (const listener of listeners) listener()
  }

  async function follow(): Promise<void> {
    // While Redis is away the last known services stay.
    await refresh().catch((error: unknown) => log.debug({ err: error }, 'the services could not be read'))
    if (!isStopped) timer = setTimeout(follow, everyMs).unref()
  }

  const announcedAt = ({ slug, address }: Pick<AnnouncedBot, 'slug' | 'address'>): number =>
    announcedTimes.get(`${slug} ${address}`) ?? 0
  const isRecent = (at: number): boolean => now() - at < SILENT_AFTER_MS

  function botsOf(slug: string): readonly AnnouncedBot[] {
    const serving = bots.filter((bot) => bot.slug === slug && !bot.draining)
    const live = serving.filter((bot) => isRecent(announcedAt(bot)))
    return live.length > 0 ? live : serving
  }

  await refresh()
  timer = setTimeout(follow, everyMs).unref()
  return {
    all: () => catalog.all(),
    find: (slug) => catalog.find(slug),
    ownerOf: (slug) => catalog.ownerOf(slug),
    botsOf,
    capacityOf(slug) {
      const serving = botsOf(slug)
      return serving.length === 0 ? null : serving.reduce((sum, { concurrency }) => sum + concurrency, 0)
    },
    hasBots: (slug) => bots.some((bot) => bot.slug === slug),
    findBot: (slug, address) => bots.find((bot) => bot.slug === slug && bot.address === address),
    isSilent: (slug) =>
      ![...announcedTimes].some(([member, at]) => member.startsWith(`${slug} `) && isRecent(at)),
    isStopping: (slug) => bots.some((bot) => bot.slug === slug) && botsOf(slug).length === 0,
    onChange: (listener) => void listeners.push(listener),
    refresh,
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
