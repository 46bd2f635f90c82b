/** A bot announces its services, and the catalogue of another process follows. */
import { afterEach, expect, it } from 'vitest'
import { startAnnouncer } from '../../bots/bot-server/announcer.ts'
import { defineService } from '../../bots/bot-server/define-service.ts'
import { type LiveCatalog, openLiveCatalog } from '../../core/store/live-catalog.ts'
import { createServiceRegistry } from '../../core/store/service-registry.ts'
import { quiet, useRedis } from '../helpers/redis.ts'
import { definition } from '../helpers/services/link-check.ts'

const redis = await useRedis()
const client = await redis.connections.connect('patient')
let time = Date.now()
const registry = createServiceRegistry({ redis: client, now: () => time })
const bot = { name: 'default', address: 'http://127.0.0.1:9', concurrency: 3 }
const services = [defineService(definition, async () => null)]

const stops: (() => void)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) stop()
  await client.flushall()
})
function announce() {
  const announcer = startAnnouncer({ registry, services, bot, log: quiet })
  stops.push(announcer.stop)
  return announcer
}
async function follow(): Promise<LiveCatalog> {
  const catalog = await openLiveCatalog({ registry, log: quiet, now: () => time, everyMs: 60_000 })
  stops.push(catalog.stop)
  return catalog
}
const slugs = (catalog: LiveCatalog): string[] => catalog.all().map(({ slug }) => slug)

it('a catalogue has the services and bots that are announced', async () => {
  const catalog = await follow()
  expect(slugs(catalog)).toEqual([])
  await announce().announced
  await catalog.refresh()
  expect(slugs(catalog)).toEqual(['link-check'])
  expect(catalog.botsOf('link-check')).toMatchObject([{ address: bot.address, concurrency: 3 }])
})

it('a bot that drains is given no further requests, and its service stays', async () => {
  const announcer = announce()
  await announcer.announced
  await announcer.drain()
  const catalog = await follow()
  expect(slugs(catalog)).toEqual(['link-check'])
  expect(catalog.botsOf('link-check')).toEqual([])
  expect(catalog.findBot('link-check', bot.address)).toMatchObject({ draining: true })
})

it('a catalogue stays for a minute when Redis is emptied, and is empty after it', async () => {
  await announce().announced
  const catalog = await follow()
  await client.flushall()
  await catalog.refresh()
  expect(slugs(catalog)).toEqual(['link-check'])
  time += 59_000
  await catalog.refresh()
  expect(catalog.botsOf('link-check')).toHaveLength(1)
  time += 2_000
  await catalog.refresh()
  expect(slugs(catalog)).toEqual([])
})

it('a bot announces its services again in an emptied Redis, and the catalogue reads them', async () => {
  const announcer = announce()
  await announcer.announced
  const catalog = await follow()
  await client.flushall()
  await catalog.refresh()
  const before = catalog.find('link-check')
  announcer.again()
  await expect.poll(() => registry.version()).not.toBe('')
  await catalog.refresh()
  expect(slugs(catalog)).toEqual(['link-check'])
  expect(catalog.find('link-check')).not.toBe(before)
})
