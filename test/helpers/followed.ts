/** Servers follow what bots announce within half a second. */
import { expect } from 'vitest'
import { eventually } from './eventually.ts'

/** Resolves once the server at this address knows the service. */
export const knowsService = (url: string, slug: string): Promise<void> =>
  eventually(
    async () => expect((await fetch(`${url}/services/${slug}`, { method: 'HEAD' })).status).toBe(200),
    { withinMs: 30_000, everyMs: 50 },
  )
