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
  it('gives every process the same digests', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => openSecret()))
    expect(new Set(all.map((secret) => secret.digest('purpose', 'text'))).size).toBe(1)
    expect((await openSecret()).digest('purpose', 'text')).toBe(all[0]?.digest('purpose', 'text'))
  })

  it('gives digests of 43 characters that depend on the purpose and on the text', async () => {
    const { digest } = await openSecret()
    expect(digest('a', 'text')).toMatch(/^[\w-]{43}$/)
    expect(new Set([digest('a', 'text'), digest('b', 'text'), digest('a', 'other')]).size).toBe(3)
  })

  it('is stored without an end, and no digest shows it', async () => {
    const { digest } = await openSecret()
    const stored = await client.get(client.names.secret)
    expect(stored).toMatch(/^[\w-]{43}$/)
    expect(await client.ttl(client.names.secret)).toBe(-1)
    expect(digest('a', '')).not.toBe(stored)
  })

  it('is another one for another installation', async () => {
    const connections = await openRedis(server.target, quiet, { keyPrefix: 'other:' })
    cleanUp(() => connections.stop())
    const other = await openSecret(await connections.connect('patient'))
    expect(other.digest('a', 'text')).not.toBe((await openSecret()).digest('a', 'text'))
  })

  it('returns to a Redis that was emptied', async () => {
    const { digest } = await openSecret(client, 20)
    const before = digest('a', 'text')
    await client.del(client.names.secret)
    await eventually(async () => expect(await client.exists(client.names.secret)).toBe(1))
    expect(digest('a', 'text')).toBe(before)
    expect((await openSecret()).digest('a', 'text')).toBe(before)
  })

  it('is taken over from Redis by a process that had another one', async () => {
    const { digest } = await openSecret(client, 20)
    await client.set(client.names.secret, 'S'.repeat(43))
    const after = (await openSecret()).digest('a', 'text')
    await eventually(() => expect(digest('a', 'text')).toBe(after))
  })

  it.skipIf(!onRealRedis)('returns at once to a Redis that was started again empty', async () => {
    const own = await useRedis()
    const redis = await own.connections.connect('fail-fast')
    const { digest } = await openSecret(redis)
    const before = digest('a', 'text')
    await own.stop()
    await own.restart()
    await eventually(async () => expect(await redis.exists(redis.names.secret)).toBe(1))
    expect(digest('a', 'text')).toBe(before)
  })
})
