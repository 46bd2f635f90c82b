/** Which push services are called (PUSH_HOSTS): a browser names its own, and must not make workers call other addresses. */

/**
 * @param allowed host names, `*.` before one for every name below it, or whole origins such as `http://10.0.0.7:8080`
 * @returns `public` for a push service by name, over HTTPS; `own` for one that is allowed at its origin, whatever its address
 */
export function kindOfPushEndpoint(endpoint: string, allowed: readonly string[]): 'public' | 'own' | null {
  if (!URL.canParse(endpoint)) return null
  const { protocol, origin, hostname, port, username, password } = new URL(endpoint)
  if (username || password) return null
  if (allowed.includes(origin)) return 'own'
  const isNamed = allowed.some((host) =>
    host.startsWith('*.') ? hostname.endsWith(host.slice(1)) : hostname === host,
  )
  return isNamed && protocol === 'https:' && port === '' ? 'public' : null
}
