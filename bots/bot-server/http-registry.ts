/** Announces services to the server, for a bot without Redis. */
import type { ServiceRegistry } from '../../core/store/service-registry.ts'
import { createHalfwayClient } from '../halfway-client.ts'

export interface HttpRegistry extends Pick<ServiceRegistry, 'announce'> {
  stop(): Promise<void>
}

export function createHttpRegistry(access: { url: string; token: string }): HttpRegistry {
  const client = createHalfwayClient(access)
  return {
    // The server knows the owner by the token.
    async announce({ definition, bot }) {
      const { slug } = definition as { slug: string }
      const path = `/services/${encodeURIComponent(slug)}`
      const { body } = await client.call({ method: 'PUT', path, body: { definition, ...bot } })
      return body?.standing === 'older' ? 'older' : 'ok'
    },
    stop: client.stop,
  }
}
