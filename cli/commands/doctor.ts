/** `doctor`: checks everything that Halfway needs, dependencies first. */
import { type Config, loadConfig } from '../../core/runtime/config.ts'
import { SettingsError } from '../../core/runtime/startup-error.ts'
import { checkBots, checkServices } from '../doctor/bots.ts'
import { type Finding, ok, tryCheck } from '../doctor/check-result.ts'
import { checkAccess, checkConsole, checkEncryption } from '../doctor/exposure.ts'
import { checkProcessors } from '../doctor/processors.ts'
import { checkProxy } from '../doctor/proxy.ts'
import {
  checkFacts,
  checkRequests,
  checkRights,
  checkRoundTrip,
  checkSealing,
  checkWrites,
} from '../doctor/redis.ts'
import { checkChannel, checkJobs } from '../doctor/round-trips.ts'
import { checkRunTimes } from '../doctor/run-times.ts'
import { checkSettingsFile, checkTokens } from '../doctor/secrets.ts'
import { checkWorkers } from '../doctor/workers.ts'
import { type Installation, openInstallation } from '../installation.ts'
import { type Styled, styled } from '../layout.ts'
import { type Context, describeError, EXIT, type ExitCode, plural } from '../terminal.ts'

const SYMBOLS = { ok: styled('green', '✓'), warn: styled('yellow', '!'), fail: styled('red', '✗') } as const

/** The checks that need Redis. */
const CHECKS: readonly [check: string, run: (installation: Installation) => Promise<Finding[]>][] = [
  ['Redis facts', checkFacts],
  ['Redis round trip', checkRoundTrip],
  ['Redis rights', checkRights],
  ['Redis writes', checkWrites],
  ['Redis access', checkAccess],
  ['Redis encryption', checkEncryption],
  ['Data', checkSealing],
  ['Requests', checkRequests],
  ['Live updates', checkChannel],
  ['Services', checkServices],
  ['Times', checkRunTimes],
  ['Workers', checkWorkers],
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
      context.print([SYMBOLS[result], ' ', `${check}: ${found}`], ...(todo ? [['    ', todo]] : []))
  }

  const config = readSettings(context, report)
  if (config) {
    report(checkSettingsFile(), checkTokens(config), checkConsole(config))
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
  else context.print('', [summary(findings)])
  return findings.some(({ result }) => result === 'fail') ? EXIT.failed : EXIT.done
}

/** What has to be done, by the names of the checks. */
function summary(findings: readonly Finding[]): Styled {
  const named = (wanted: Finding['result']): string[] =>
    findings.filter(({ result }) => result === wanted).map(({ check }) => check)
  const namesOf = (checks: string[]): string => [...new Set(checks)].join(', ')
  const [problems, warnings] = [named('fail'), named('warn')]
  const parts = [
    ...(problems.length > 0 ? [`${plural(problems.length, 'problem')}: ${namesOf(problems)}`] : []),
    ...(warnings.length > 0 ? [`${plural(warnings.length, 'warning')}: ${namesOf(warnings)}`] : []),
  ]
  if (parts.length === 0) return styled('green', `All ${findings.length} checks passed.`)
  if (problems.length > 0) return styled('red', `${parts.join('; ')}.`)
  return styled('yellow', `No problem, ${parts.join('; ')}.`)
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
