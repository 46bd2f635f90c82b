/** `doctor`: tries everything that Halfway needs, in the order in which it builds on each other. */
import { type Config, loadConfig } from '../../core/runtime/config.ts'
import { SettingsError } from '../../core/runtime/startup-error.ts'
import { checkBots } from '../doctor/bots.ts'
import { type Finding, ok, tryCheck } from '../doctor/check-result.ts'
import { checkProcessors } from '../doctor/processors.ts'
import { checkProxy } from '../doctor/proxy.ts'
import { checkFacts, checkRequests, checkRoundTrip, checkWrites } from '../doctor/redis.ts'
import { checkChannel, checkJobs } from '../doctor/round-trips.ts'
import { type Installation, openInstallation } from '../installation.ts'
import { type Context, EXIT, type ExitCode, sentence } from '../terminal.ts'

const SIGNS = { ok: '✓', warn: '!', fail: '✗' } as const

/** What is tried once Redis answers. */
const CHECKS: readonly [check: string, run: (installation: Installation) => Promise<Finding[]>][] = [
  ['Redis facts', checkFacts],
  ['Redis round trip', checkRoundTrip],
  ['Redis writes', checkWrites],
  ['Requests', checkRequests],
  ['Live updates', checkChannel],
  ['Queues', checkJobs],
  ['Proxy', checkProxy],
  ['Tasks', ({ config }) => checkProcessors(config)],
]

export async function doctor(context: Context): Promise<ExitCode> {
  const findings: Finding[] = []
  const tell = (...some: Finding[]): void => {
    findings.push(...some)
    if (context.json) return
    for (const { check, result, found, todo } of some)
      context.print(`${SIGNS[result]} ${check}: ${found}`, ...(todo ? [`    ${todo}`] : []))
  }

  const config = readSettings(context, tell)
  if (config) {
    const isTokenSet = Boolean(context.env.LOCAL_API_TOKEN)
    tell(...(await tryCheck('Bots', () => checkBots(config, isTokenSet))))
    const installation = await reach(config, tell)
    try {
      for (const [check, run] of installation ? CHECKS : [])
        tell(...(await tryCheck(check, () => run(installation as Installation))))
    } finally {
      await installation?.stop()
    }
  }
  if (context.json) context.printJson(findings)
  const failed = findings.filter(({ result }) => result === 'fail').length
  if (!context.json)
    context.print(failed === 0 ? 'All is well.' : `${failed} of ${findings.length} checks failed.`)
  return failed === 0 ? EXIT.done : EXIT.failed
}

function readSettings({ env }: Context, tell: (...some: Finding[]) => void): Config | null {
  try {
    const config = loadConfig(env)
    tell(ok('Settings', config.production ? 'right, for production' : 'right'))
    return config
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    const todo = 'Correct it in the environment or .env.'
    tell(...error.complaints.map((found): Finding => ({ check: 'Settings', result: 'fail', found, todo })))
    return null
  }
}

async function reach(config: Config, tell: (finding: Finding) => void): Promise<Installation | null> {
  try {
    const installation = await openInstallation(config)
    tell(ok('Redis', `answers at ${installation.address}`))
    return installation
  } catch (error) {
    const todo = 'Start it, or correct the REDIS_ settings.'
    tell({ check: 'Redis', result: 'fail', found: sentence(error), todo })
    return null
  }
}
