import { expect, it } from 'vitest'
import { openInstallationSecret } from '../../../core/redis/installation-secret.ts'
import { createRefusals, type Refusal } from '../../../core/store/form-refusals.ts'
import { cleanUp } from '../../helpers/clean-up.ts'
import { useRedis } from '../../helpers/redis.ts'

const testRedis = await useRedis()
const redis = await testRedis.connections.connect('fail-fast')
const secret = await openInstallationSecret(redis)
cleanUp(() => secret.stop())
const refusals = createRefusals({ redis, secret, ttlSeconds: 60 })
const REFUSAL: Refusal = { code: 'validation_failed', values: { mobile: '0912' }, key: 'k', sessionId: null }
const keysOfRefusals = async () => (await redis.keys('*')).filter((key) => key.includes('refusal:'))

it('a refusal is found by its id until it expires', async () => {
  const id = (await refusals.keep('192.0.2.1', REFUSAL)) as string
  expect(await refusals.find(id)).toEqual(REFUSAL)
  for (const other of [
    '',
    'x',
    `${id}x`,
    id.slice(0, -1),
    `${id.slice(0, -1)}!`,
    id.slice(0, -21) + 'a'.repeat(21),
  ])
    expect(await refusals.find(other)).toBeNull()
  const [key] = await keysOfRefusals()
  expect(await redis.ttl(key as string)).toBeGreaterThan(50)
})

it('the id of a refusal is unique and reveals nothing of the sender', async () => {
  const ids = await Promise.all([1, 2, 3].map(() => refusals.keep('192.0.2.2', REFUSAL)))
  expect(new Set(ids).size).toBe(3)
  expect(String(ids[0])).not.toContain('192.0.2.2')
})

it('a sender has sixteen slots, and a new refusal overwrites the oldest', async () => {
  const before = (await keysOfRefusals()).length
  const ids: (string | null)[] = []
  for (let n = 0; n < 40; n++) ids.push(await refusals.keep('192.0.2.3', REFUSAL))
  expect((await keysOfRefusals()).length - before).toBe(16)
  const found = await Promise.all(ids.map((id) => refusals.find(String(id))))
  expect(found.map((refusal) => refusal !== null)).toEqual([
    ...Array(24).fill(false),
    ...Array(16).fill(true),
  ])
})

it('a refusal over 8 kB is not stored', async () => {
  expect(await refusals.keep('192.0.2.4', { ...REFUSAL, values: { mobile: 'x'.repeat(9000) } })).toBeNull()
})
