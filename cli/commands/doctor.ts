/** `doctor`: checks everything that Halfway needs, dependencies first. */
import { type Config, loadConfig } from '../../core/runtime/config.ts'
import { SettingsError } from '../../core/runtime/startup-error.ts'
import { checkBots, checkServices } from '../doctor/bots.ts'
import { type Finding, ok, tryCheck } from '../doctor/check-result.ts'
import { checkProcessors } from '../doctor/processors.ts'
import { checkProxy } from '../doctor/proxy.ts'
import { checkFacts, checkRequests, checkRoundTrip, checkWrites } from '../doctor/redis.ts'
import { checkChannel, checkJobs } from '../doctor/round-trips.ts'
import { type Installation, openInstallation } from '../installation.ts'
import { type Context, describeError, EXIT, type ExitCode } from '../terminal.ts'

const SYMBOLS = { ok: '✓', warn: '!', fail: '✗' } as const

/** The checks that need Redis. */
const CHECKS: readonly [check: string, run: (installation: Installation) => Promise<Finding[]>][] = [
  ['Redis facts', checkFacts],
  ['Redis round trip', checkRoundTrip],
  ['Redis writes', checkWrites],
  ['Requests', checkRequests],
  ['Live updates', checkChannel],
  ['Services', checkServices],
  ['Queues', checkJobs],
  ['Proxy', checkProxy],
  ['Tasks', ({ config }) => checkProcessors(config)],
]

export async function doctor(context: Context): Promise<ExitCode> {
  const findings: Finding[] = []
  const report = (...added: Finding[]): void => {
    findings.push(...added)
    if (context.json) return
    for (const { check, result, found, todo } of added)
      context.print(`${SYMBOLS[result]} ${check}: ${found}`, ...(todo ? [`    ${todo}`] : []))
  }

  const config = readSettings(context, report)
  if (config) {
    const isTokenSet = Boolean(context.env.LOCAL_API_TOKEN)
    const installation = await connect(config, report)
    try {
      for (const [check, run] of installation ? CHECKS : [])
        report(...(await tryCheck(check, () => run(installation as Installation))))
      if (installation) report(...(await tryCheck('Bots', () => checkBots(installation, isTokenSet))))
    } finally {
      await installation?.stop()
    }
  }
  if (context.json) context.printJson(findings)
  const failed = findings.filter(({ result }) => result === 'fail').length
  if (!context.json)
    context.print(failed === 0 ? 'All checks passed.' : `${failed} of ${findings.length} checks failed.`)
  return failed === 0 ? EXIT.done : EXIT.failed
}

function readSettings({ env }: Context, report: (...findings: Finding[]) => void): Config | null {
  try {
    const config = loadConfig(env)
    report(ok('Settings', config.production ? 'valid, for production' : 'valid'))
    return config
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    const todo = 'Correct it in the environment or .env.'
    report(...error.complaints.map((found): Finding => ({ check: 'Settings', result: 'fail', found, todo })))
    return null
  }
}

async function connect(config: Config, report: (finding: Finding) => void): Promise<Installation | null> {
  try {
    const installation = await openInstallation(config)
    report(ok('Redis', `answers at ${installation.address}`))
    return installation
  } catch (error) {
    const todo = 'Start Redis, or correct the REDIS_ settings.'
    report({ check: 'Redis', result: 'fail', found: describeError(error), todo })
    return null
  }
}
