/** Checks the services that bots have announced, and that their bots are reachable and accept the token. */
import type { AnnouncedBot } from '../../core/store/service-registry.ts'
import type { Installation } from '../installation.ts'
import { type Finding, ok } from './check-result.ts'

const TIMEOUT_MS = 5_000

export async function checkServices({ catalog, registry }: Installation): Promise<Finding[]> {
  const services = catalog.all()
  if (services.length === 0) {
    const todo = 'Start the bots (npm run start:bots): they announce their services.'
    return [{ check: 'Services', result: 'fail', found: 'no bot has announced one', todo }]
  }
  const conflicts = await registry.conflicts()
  return services.map(({ slug }): Finding => {
    const check = `Service ${slug}`
    if (conflicts.includes(slug)) {
      const todo = 'Restart the bots that run the older version of the service.'
      return {
        check,
        result: 'warn',
        found: 'two bots announce different definitions, the newer one counts',
        todo,
      }
    }
    if (catalog.isSilent(slug)) {
      const todo = 'Start its bots: its requests wait for them.'
      return { check, result: 'warn', found: 'its bots have been silent for more than a minute', todo }
    }
    const count = catalog.botsOf(slug).length
    return ok(
      check,
      count === 0 ? 'announced, served at LOCAL_API_URL' : `${count} bot${count === 1 ? '' : 's'}`,
    )
  })
}

/** @param isTokenSet false when no token is configured: `npm start` then makes one that only its processes have */
export async function checkBots(
  { catalog, config: { bots } }: Installation,
  isTokenSet: boolean,
): Promise<Finding[]> {
  const announced = catalog.all().flatMap(({ slug }) => catalog.botsOf(slug))
  const byAddress = new Map(announced.map((bot) => [bot.address, bot]))
  const hasLocal = catalog.all().some(({ slug }) => catalog.botsOf(slug).length === 0)
  const all: Pick<AnnouncedBot, 'address' | 'name'>[] = [
    ...byAddress.values(),
    ...(hasLocal ? [{ address: bots.url.replace(/\/$/, ''), name: 'default' }] : []),
  ]
  const findings = all.map((bot) => checkBot(bot, bots.tokens.get(bot.name) ?? [], isTokenSet))
  return (await Promise.all(findings)).flat()
}

async function checkBot(
  { address, name }: Pick<AnnouncedBot, 'address' | 'name'>,
  tokens: readonly string[],
  isTokenSet: boolean,
): Promise<Finding[]> {
  const check = `Bot at ${address}`
  const get = (path: string, token = tokens[0]): Promise<Response> =>
    fetch(address + path, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'error',
    })
  if (tokens.length === 0) {
    const todo = `Add its token to BOT_TOKENS, as ${name}:token.`
    return [{ check, result: 'fail', found: `its token "${name}" was withdrawn`, todo }]
  }
  let response: Response
  try {
    const health = await get('/health')
    if (!health.ok) throw new Error(`it answers ${health.status}`)
    response = await get('/api/services')
    for (const older of tokens.slice(1)) if (isRefusal(response)) response = await get('/api/services', older)
  } catch (error) {
    const { message, cause } = error as Error & { cause?: { code?: string; message?: string } }
    const todo = 'Start it, or correct the address that it announces (BOT_ADDRESS).'
    return [{ check, result: 'fail', found: `no answer (${cause?.code ?? cause?.message ?? message})`, todo }]
  }
  if (isRefusal(response)) {
    if (!isTokenSet && name === 'default')
      return [ok(check, 'answers; its token is not checked, as LOCAL_API_TOKEN is not set here')]
    const todo = 'Set the same token for workers and bots.'
    return [{ check, result: 'fail', found: 'refuses the token', todo }]
  }
  return [ok(check, 'answers and accepts the token')]
}

const isRefusal = ({ status }: Response): boolean => status === 401 || status === 403
