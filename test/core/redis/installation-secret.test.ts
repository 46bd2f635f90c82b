/** The secret that all processes of an installation share. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { openRedis, type RedisClient } from '../../../core/redis/connect.ts'
import { openInstallationSecret } from '../../../core/redis/installation-secret.ts'
import { cleanUp } from '../../helpers/clean-up.ts'
import { eventually } from '../../helpers/eventually.ts'
import { onRealRedis, quiet, useRedis } from '../../helpers/redis.ts'

const server = await useRedis()
const client = await server.connections.connect('patient')

async function openSecret(redis: RedisClient = client, everyMs?: number) {
  const secret = await openInstallationSecret(redis, { everyMs })
  onTestFinished(() => secret.stop())
  return secret
}

describe('the secret of an installation', () => {
  it('the installation secret gives every process the same digests', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => openSecret()))
    expect(new Set(all.map((secret) => secret.digest('purpose', 'text'))).size).toBe(1)
    expect((await openSecret()).digest('purpose', 'text')).toBe(all[0]?.digest('purpose', 'text'))
  })

  it('a digest has 43 characters and depends on purpose and text', async () => {
    const { digest } = await openSecret()
    expect(digest('a', 'text')).toMatch(/^[\w-]{43}$/)
    expect(new Set([digest('a', 'text'), digest('b', 'text'), digest('a', 'other')]).size).toBe(3)
  })

  it('the installation secret is stored without expiry, and no digest contains it', async () => {
    const { digest } = await openSecret()
    const stored = await client.get(client.names.secret)
    expect(stored).toMatch(/^[\w-]{43}$/)
    expect(await client.ttl(client.names.secret)).toBe(-1)
    expect(digest('a', '')).not.toBe(stored)
  })

  it('another installation has another secret', async () => {
    const connections = await openRedis(server.target, quiet, { keyPrefix: 'other:' })
    cleanUp(() => connections.stop())
    const other = await openSecret(await connections.connect('patient'))
    expect(other.digest('a', 'text')).not.toBe((await openSecret()).digest('a', 'text'))
  })

  it('the installation secret is written again to a Redis that was emptied', async () => {
    const { digest } = await openSecret(client, 20)
    const before = digest('a', 'text')
    await client.del(client.names.secret)
    await eventually(async () => expect(await client.exists(client.names.secret)).toBe(1))
    expect(digest('a', 'text')).toBe(before)
    expect((await openSecret()).digest('a', 'text')).toBe(before)
  })

  it('a process with another installation secret adopts the one in Redis', async () => {
    const { digest } = await openSecret(client, 20)
    await client.set(client.names.secret, 'S'.repeat(43))
    const after = (await openSecret()).digest('a', 'text')
    await eventually(() => expect(digest('a', 'text')).toBe(after))
  })

  it.skipIf(!onRealRedis)(
    'the installation secret is written immediately to a Redis that restarted empty',
    async () => {
      const own = await useRedis()
      const redis = await own.connections.connect('fail-fast')
      const { digest } = await openSecret(redis)
      const before = digest('a', 'text')
      await own.stop()
      await own.restart()
      await eventually(async () => expect(await redis.exists(redis.names.secret)).toBe(1))
      expect(digest('a', 'text')).toBe(before)
    },
  )
})
