/** Which bot gets a request: by room, by load, by how long it has been idle; and leases of workers that crashed. */
import { beforeEach, expect, test } from 'vitest'
import { createBotLeases } from '../../../core/store/bot-leases.ts'
import { cleanUp } from '../../helpers/clean-up.ts'
import { quiet, useRedis } from '../../helpers/redis.ts'

const redis = await (await useRedis()).connections.connect('patient')
let now = Date.now()
const leases = createBotLeases({ redis, log: quiet, now: () => now })
cleanUp(() => leases.stop())

const SMALL = { address: 'http://127.0.0.1:1', concurrency: 2 }
const LARGE = { address: 'http://127.0.0.1:2', concurrency: 4 }
const choose = async (hash: string, bots = [SMALL, LARGE]) => (await leases.reserve(hash, bots))?.address

beforeEach(async () => {
  await redis.flushall()
  now = Date.now()
})

test('a request goes to the least busy bot, relative to its room', async () => {
  const chosen = []
  for (const hash of ['a', 'b', 'c', 'd', 'e', 'f']) {
    now++
    chosen.push(await choose(hash))
  }
  expect(chosen.filter((address) => address === LARGE.address)).toHaveLength(4)
  expect(chosen.filter((address) => address === SMALL.address)).toHaveLength(2)
  expect(await choose('g')).toBeUndefined()
})

test('of idle bots the one that was chosen least recently gets the request', async () => {
  for (const [hash, expected] of [
    ['a', SMALL],
    ['b', LARGE],
    ['c', SMALL],
    ['d', LARGE],
  ] as const) {
    now++
    const address = await choose(hash)
    expect(address).toBe(expected.address)
    await leases.release(hash, address as string)
  }
})

test('a released request makes room, one that is held counts also without room', async () => {
  await choose('a', [SMALL])
  await choose('b', [SMALL])
  expect(await choose('c', [SMALL])).toBeUndefined()
  await leases.release('a', SMALL.address)
  await leases.hold('x', SMALL.address)
  expect(await choose('c', [SMALL])).toBeUndefined()
  await leases.release('x', SMALL.address)
  expect(await choose('c', [SMALL])).toBe(SMALL.address)
})

test('the lease of a worker that crashed ends after a minute', async () => {
  await choose('a', [SMALL])
  await choose('b', [SMALL])
  now += 61_000
  expect(await choose('c', [SMALL])).toBe(SMALL.address)
})

test('no bot is chosen from none', async () => {
  expect(await leases.reserve('a', [])).toBeNull()
})
