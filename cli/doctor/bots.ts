/** Whether workers would reach the bots, be let in, and find there every service that people are offered. */

import { allServices } from '../../core/catalog/index.ts'
import type { Config } from '../../core/runtime/config.ts'
import { type Finding, ok } from './check-result.ts'

const WITHIN_MS = 5_000

/** @param isTokenSet without one of its own, `npm start` makes one up that nobody else knows */
export async function checkBots({ bots }: Config, isTokenSet: boolean): Promise<Finding[]> {
  const url = bots.url.replace(/\/$/, '')
  const ask = (path: string): Promise<Response> =>
    fetch(url + path, {
      headers: { authorization: `Bearer ${bots.token}` },
      signal: AbortSignal.timeout(WITHIN_MS),
      redirect: 'error',
    })
  let answer: Response
  try {
    const health = await ask('/health')
    if (!health.ok) throw new Error(`it answers ${health.status}`)
    answer = await ask('/api/services')
  } catch (error) {
    const { message, cause } = error as Error & { cause?: { code?: string; message?: string } }
    const todo = 'Start the bots (npm run start:bots), or correct LOCAL_API_URL.'
    const found = `no answer from ${url} (${cause?.code ?? cause?.message ?? message})`
    return [{ check: 'Bots', result: 'fail', found, todo }]
  }
  const reached = ok('Bots', `answer at ${url}`)
  if (answer.status === 401 || answer.status === 403) {
    const check = 'Token of the bots'
    if (isTokenSet)
      return [
        reached,
        { check, result: 'fail', found: 'refused', todo: 'Give workers and bots the same LOCAL_API_TOKEN.' },
      ]
    const todo = 'Set LOCAL_API_TOKEN to try it, and what services there are.'
    return [reached, { check, result: 'warn', found: 'not known here: npm start makes one up', todo }]
  }
  if (answer.status >= 500) {
    const todo = 'Look into the log of the bots.'
    const found = `answer ${answer.status} when asked for their services`
    return [reached, { check: 'Services of the bots', result: 'fail', found, todo }]
  }
  const body = (await answer.json().catch(() => null)) as { services?: unknown } | null
  const offered = Array.isArray(body?.services) ? body.services : null
  // A bot of another kind need not list what it does.
  if (!offered) return [reached, ok('Token of the bots', 'accepted')]
  const missing = allServices().filter(({ slug }) => !offered.includes(slug))
  const found: Finding =
    missing.length === 0
      ? ok('Services of the bots', `all ${allServices().length}`)
      : {
          check: 'Services of the bots',
          result: 'fail',
          found: `missing: ${missing.map(({ slug }) => slug).join(', ')}`,
          todo: 'Name their handlers in bots/inquiry-provider/services/index.ts, and restart the bots.',
        }
  return [reached, ok('Token of the bots', 'accepted'), found]
}
