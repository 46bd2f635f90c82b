/** Services of the tests as bots announce them, which servers and workers follow within half a second. */
import { expect } from 'vitest'
import type { RedisClient } from '../../core/redis/connect.ts'
import { createServiceRegistry } from '../../core/store/service-registry.ts'
import { eventually } from './eventually.ts'
import { definitions } from './services.ts'

/** Without a bot: their requests go to LOCAL_API_URL. */
export async function announceServices(redis: RedisClient): Promise<void> {
  const registry = createServiceRegistry({ redis })
  for (const definition of definitions) await registry.announce({ definition, owner: 'default' })
}

/** Resolves once the server at this address knows the service. */
export const knowsService = (url: string, slug: string): Promise<void> =>
  eventually(
    async () => expect((await fetch(`${url}/services/${slug}`, { method: 'HEAD' })).status).toBe(200),
    { withinMs: 30_000, everyMs: 50 },
  )
