/** Checks that the server sees the addresses of clients rather than that of a proxy. */
import { hasUntrustedProxy } from '../../core/store/untrusted-proxy.ts'
import type { Installation } from '../installation.ts'
import { type Finding, ok } from './check-result.ts'

export async function checkProxy({ redis }: Installation): Promise<Finding[]> {
  if (!(await hasUntrustedProxy(redis))) return [ok('Proxy', 'no untrusted proxy seen')]
  return [
    {
      check: 'Proxy',
      result: 'warn',
      found: 'requests carry X-Forwarded-For from a proxy that the server does not trust',
      todo: 'Set TRUST_PROXY to the number of proxies or their addresses: until then all clients behind it count as one address.',
    },
  ]
}
