/** Checks that the bots are reachable, accept the token, and know every service of the catalog. */

import { allServices } from '../../core/catalog/index.ts'
import type { Config } from '../../core/runtime/config.ts'
import { type Finding, ok } from './check-result.ts'

const TIMEOUT_MS = 5_000

/** @param isTokenSet false when no token is configured: `npm start` then generates one that this command does not know */
export async function checkBots({ bots }: Config, isTokenSet: boolean): Promise<Finding[]> {
  const url = bots.url.replace(/\/$/, '')
  const get = (path: string): Promise<Response> =>
    fetch(url + path, {
      headers: { authorization: `Bearer ${bots.token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'error',
    })
  let response: Response
  try {
    const health = await get('/health')
    if (!health.ok) throw new Error(`it answers ${health.status}`)
    response = await get('/api/services')
  } catch (error) {
    const { message, cause } = error as Error & { cause?: { code?: string; message?: string } }
    const todo = 'Start the bots (npm run start:bots), or correct LOCAL_API_URL.'
    const found = `no answer from ${url} (${cause?.code ?? cause?.message ?? message})`
    return [{ check: 'Bots', result: 'fail', found, todo }]
  }
  const reached = ok('Bots', `answer at ${url}`)
  if (response.status === 401 || response.status === 403) {
    const check = 'Token of the bots'
    if (isTokenSet)
      return [
        reached,
        {
          check,
          result: 'fail',
          found: 'refused',
          todo: 'Set the same LOCAL_API_TOKEN for workers and bots.',
        },
      ]
    const todo = 'Set LOCAL_API_TOKEN to check it and the services of the bots.'
    return [reached, { check, result: 'warn', found: 'unknown here: npm start generates one', todo }]
  }
  if (response.status >= 500) {
    const todo = 'See the log of the bots.'
    const found = `status ${response.status} for the list of their services`
    return [reached, { check: 'Services of the bots', result: 'fail', found, todo }]
  }
  const body = (await response.json().catch(() => null)) as { services?: unknown } | null
  const known = Array.isArray(body?.services) ? body.services : null
  // Other bots need not list their services.
  if (!known) return [reached, ok('Token of the bots', 'accepted')]
  const missing = allServices().filter(({ slug }) => !known.includes(slug))
  const found: Finding =
    missing.length === 0
      ? ok('Services of the bots', `all ${allServices().length}`)
      : {
          check: 'Services of the bots',
          result: 'fail',
          found: `missing: ${missing.map(({ slug }) => slug).join(', ')}`,
          todo: 'Add their handlers to bots/inquiry-provider/services/index.ts, and restart the bots.',
        }
  return [reached, ok('Token of the bots', 'accepted'), found]
}
