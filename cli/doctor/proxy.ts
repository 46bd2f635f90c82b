/** Whether people's own addresses reach the server. */
import { hasUntrustedProxy } from '../../core/store/untrusted-proxy.ts'
import type { Installation } from '../installation.ts'
import { type Finding, ok } from './check-result.ts'

export async function checkProxy({ redis }: Installation): Promise<Finding[]> {
  if (!(await hasUntrustedProxy(redis))) return [ok('Proxy', 'none that is not trusted')]
  return [
    {
      check: 'Proxy',
      result: 'warn',
      found: 'requests carry X-Forwarded-For from a proxy that the server does not trust',
      todo: 'Set TRUST_PROXY to the number of proxies or their addresses: all people behind it count as one address.',
    },
  ]
}
