/** What bots announce: definitions, owners, bots, and what becomes of those that are silent. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { ServiceDefinition } from '../../../core/catalog/service-definition.ts'
import { openLiveCatalog } from '../../../core/store/live-catalog.ts'
import { createServiceRegistry } from '../../../core/store/service-registry.ts'
import { cleanUp } from '../../helpers/clean-up.ts'
import { eventually } from '../../helpers/eventually.ts'
import { quiet, useRedis } from '../../helpers/redis.ts'

const redis = await (await useRedis()).connections.connect('patient')
let now = Date.now()
const registry = createServiceRegistry({ redis, now: () => now })
const BOT = { address: 'http://127.0.0.1:9001', concurrency: 5 }
const OTHER = { address: 'http://127.0.0.1:9002', concurrency: 5 }
const A: ServiceDefinition = { slug: 'a', title: 'A' }
const NEWER: ServiceDefinition = { slug: 'a', title: 'A, newer' }
const MINUTE = 60_001
const DAY = 24 * 3_600_000 + 1

const announce = (definition: ServiceDefinition = A, bot = BOT, owner = 'default') =>
  registry.announce({ definition, owner, bot })
const titles = async () => (await registry.read()).services.map(({ title }) => title)

async function useCatalog() {
  const catalog = await openLiveCatalog({ registry, log: quiet, now: () => now, everyMs: 20 })
  cleanUp(() => catalog.stop())
  return catalog
}

beforeEach(async () => {
  await redis.flushall()
  now = Date.now()
})

describe('an announcement', () => {
  test('an announced service is read with its defaults, its bot and the name of its token', async () => {
    expect(await announce()).toBe('ok')
    expect(await registry.read()).toMatchObject({
      services: [{ slug: 'a', title: 'A', tries: 3, queue: { name: 'a' } }],
      bots: [{ slug: 'a', ...BOT, draining: false, name: 'default' }],
    })
  })

  test('the version changes with a definition, a bot or its state, and not with a repeated announcement', async () => {
    const versions = [await registry.version()]
    for (const one of [
      () => announce(),
      () => announce(NEWER),
      () => announce(NEWER, OTHER),
      () => announce(NEWER, { ...OTHER, draining: true } as typeof OTHER),
    ]) {
      await one()
      versions.push(await registry.version())
    }
    expect(new Set(versions).size).toBe(5)
    await announce(NEWER)
    expect(await registry.version()).toBe(versions.at(-1))
  })

  test('an invalid definition is refused with everything that is wrong with it', async () => {
    const wrong = { slug: 'A B', title: '', fields: [{ name: 'x', type: 'colour', label: 'X' }], extra: 1 }
    await expect(registry.announce({ definition: wrong, owner: 'default' })).rejects.toMatchObject({
      code: 'validation_failed',
      errors: ['slug', 'title', 'fields[0].type', 'definition'].map((field) =>
        expect.objectContaining({ field, code: 'invalid_definition' }),
      ),
    })
    expect(await titles()).toEqual([])
  })

  test('a definition of more than 256 kB is refused', async () => {
    const large = { ...A, description: 'x'.repeat(300_000) }
    await expect(registry.announce({ definition: large, owner: 'default' })).rejects.toMatchObject({
      code: 'body_too_large',
    })
  })

  test('a slug belongs to the name that announced it first, until it has been silent for a day', async () => {
    await announce(A, BOT, 'ann')
    await expect(announce(NEWER, OTHER, 'bob')).rejects.toMatchObject({ code: 'slug_taken' })
    expect(await titles()).toEqual(['A'])
    now += DAY
    expect(await announce(NEWER, OTHER, 'bob')).toBe('ok')
    expect(await titles()).toEqual(['A, newer'])
  })

  test('what was not announced for a day is removed by the next announcement of any bot', async () => {
    await announce()
    await announce({ slug: 'b', title: 'B' }, OTHER)
    now += DAY - MINUTE
    await announce({ slug: 'b', title: 'B' }, OTHER)
    now += MINUTE
    await announce({ slug: 'c', title: 'C' })
    expect((await titles()).sort()).toEqual(['B', 'C'])
    expect((await registry.read()).bots.map(({ slug }) => slug).sort()).toEqual(['b', 'c'])
  })

  test('every key of announced services expires a day after the last announcement', async () => {
    await announce()
    await announce(NEWER)
    for (const key of await redis.keys('halfway:{services}:*')) {
      const ttl = await redis.pttl(key)
      expect(ttl, key).toBeGreaterThan(DAY - MINUTE)
      expect(ttl, key).toBeLessThanOrEqual(DAY)
    }
  })

  test('the number of services and bots is limited', async () => {
    for (let i = 0; i < 500; i++)
      await registry.announce({ definition: { ...A, slug: `s${i}` }, owner: 'default' })
    await expect(announce({ ...A, slug: 'one-more' })).rejects.toMatchObject({ code: 'too_many_services' })
    expect(await announce({ ...A, slug: 's1' })).toBe('ok')
  })
})

test('a definition with properties of a newer version is read without them', async () => {
  await announce()
  const newer = { ...A, colour: 'red', fields: [{ name: 'x', type: 'text', label: 'X', shade: 1 }] }
  await redis.hset(redis.names.services.all, 'a definition', JSON.stringify(newer))
  expect((await registry.read()).services).toMatchObject([{ slug: 'a', fields: [{ name: 'x' }] }])
  expect(await registry.read()).not.toHaveProperty('services.0.colour')
  for (const broken of ['{', '1', JSON.stringify({ ...newer, title: 7 })]) {
    await redis.hset(redis.names.services.all, 'a definition', broken)
    expect((await registry.read()).services).toEqual([])
  }
})

describe('two definitions of one slug', () => {
  test('the newer definition stands, also when the bot with the older one announces it again', async () => {
    await announce(A, BOT)
    expect(await announce(NEWER, OTHER)).toBe('ok')
    expect(await announce(A, BOT)).toBe('older')
    expect(await titles()).toEqual(['A, newer'])
    expect(await registry.conflicts()).toEqual(['a'])
    // The bot with the older definition still serves it.
    expect((await registry.read()).bots).toHaveLength(2)
  })

  test('an older definition stands again once the newer one has been silent for a minute, as after a rollback', async () => {
    await announce(A, BOT)
    await announce(NEWER, OTHER)
    now += MINUTE
    expect(await announce(A, BOT)).toBe('ok')
    expect(await titles()).toEqual(['A'])
  })

  test('a conflict ends a minute after the older definition was announced last', async () => {
    await announce(A, BOT)
    await announce(NEWER, OTHER)
    now += MINUTE
    await announce(NEWER, OTHER)
    expect(await registry.conflicts()).toEqual([])
  })
})

describe('the catalogue of a process', () => {
  test('a process knows what was announced before and after it started', async () => {
    await announce()
    const catalog = await useCatalog()
    expect(catalog.find('a')).toMatchObject({ title: 'A' })
    const changed = new Promise<void>((resolve) => catalog.onChange(resolve))
    await announce({ slug: 'b', title: 'B' })
    await changed
    expect(catalog.all().map(({ slug }) => slug)).toEqual(['a', 'b'])
  })

  test('a bot that drains gets no new request, and is still found for those it has', async () => {
    await announce()
    await announce(A, { ...OTHER, draining: true } as typeof OTHER)
    const catalog = await useCatalog()
    expect(catalog.botsOf('a').map(({ address }) => address)).toEqual([BOT.address])
    expect(catalog.findBot('a', OTHER.address)).toMatchObject({ draining: true })
    expect(catalog.isStopping('a')).toBe(false)
  })

  test('a service is stopping while all its bots drain', async () => {
    await announce(A, { ...BOT, draining: true } as typeof BOT)
    const catalog = await useCatalog()
    expect([catalog.isStopping('a'), catalog.isStopping('unknown')]).toEqual([true, false])
  })

  test('a bot that has been silent for a minute gets requests only where no other serves the service', async () => {
    await announce()
    now += MINUTE
    const catalog = await useCatalog()
    expect(catalog.isSilent('a')).toBe(true)
    expect(catalog.botsOf('a')).toHaveLength(1)
    await announce(A, OTHER)
    await eventually(() => expect(catalog.botsOf('a').map(({ address }) => address)).toEqual([OTHER.address]))
    expect(catalog.isSilent('a')).toBe(false)
  })

  test('a process keeps its services while Redis is away', async () => {
    await announce()
    const failing = { ...registry, version: () => Promise.reject(new Error('away')) }
    let isAway = false
    const catalog = await openLiveCatalog({
      registry: { ...registry, version: () => (isAway ? failing.version() : registry.version()) },
      log: quiet,
      now: () => now,
      everyMs: 5,
    })
    cleanUp(() => catalog.stop())
    isAway = true
    await expect(catalog.refresh()).rejects.toThrow('away')
    expect(catalog.find('a')).toMatchObject({ title: 'A' })
  })
})
