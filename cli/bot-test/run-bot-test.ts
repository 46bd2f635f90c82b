/** Plays worker, person and network against one bot, and reports what it does wrong. */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseService, type Service } from '../../core/catalog/service-definition.ts'
import { StartupError } from '../../core/runtime/startup-error.ts'
import { type BotCaller, createBotCaller, replyWithin } from './bot-call.ts'
import { type BotProcess, processOf, startBotProcess } from './bot-process.ts'
import { checkBadBodies, checkHealth, checkKnownServices, checkResume, checkToken } from './checks/calls.ts'
import { checkCodes } from './checks/codes.ts'
import { checkDrain } from './checks/drain.ts'
import { checkSameHash, checkServerAway } from './checks/repetitions.ts'
import {
  checkCompletion, checkFit, checkProgress, checkReports, checkSilence, checkSize,
} from './checks/run.ts' // biome-ignore format: a list
import { checkCancel, checkClosedCall, checkLateSuccess } from './checks/stops.ts'
import { exampleData } from './example-data.ts'
import {type CheckFinding, type CheckVerdict,
  createKit, type FinishedRun, fail, KIT_LIMITS, type Kit, type KitLimits, pass, skip, 
} from './kit.ts' // biome-ignore format: a list
import { type PlayedServer, startPlayedServer } from './played-server.ts'

export interface BotTestOptions {
  /** The bot: `http://host:port`. */
  url: string
  token: string
  /** Where the bot reports to. */
  serverPort: number
  /** The first one that is announced when left out. */
  slug?: string
  /** For a bot that announces nothing. */
  definition?: unknown
  /** Values that replace the examples of the definition. */
  data?: Record<string, unknown>
  code?: string
  /** Starts the bot. */
  command?: string
  /** The bot runs already. */
  pid?: number
  /** The environment of the command. */
  env: NodeJS.ProcessEnv
  limits?: Partial<KitLimits>
  signal: AbortSignal
  /** Called with each result as soon as it is known. */
  onVerdict?(verdict: CheckVerdict): void
}

const DEFAULT_RUN_MS = 180_000
const READY_CHECK_MS = 50
const OUTPUT_DELAY_MS = 300
/** Of the output of a bot that crashed. */
const SHOWN_LINES = 10

/** @throws StartupError when the port of the server is taken, or another bot answers where `command` is to start one */
export async function runBotTest(options: BotTestOptions): Promise<CheckVerdict[]> {
  const { token, signal } = options
  const server = await startPlayedServer({ port: options.serverPort, token })
  const caller = createBotCaller(options.url)
  let process: BotProcess | null = null
  const verdicts: CheckVerdict[] = []
  const add = async (check: string, finding: CheckFinding): Promise<void> => {
    const isFirstCrash = isCrash(finding) && !verdicts.some(isCrash)
    // What it printed before its answer may still be in the pipe.
    if (isFirstCrash && process) await sleep(OUTPUT_DELAY_MS)
    const output = isFirstCrash ? lastLines(process?.output() ?? '') : []
    const verdict: CheckVerdict = { check, ...finding, ...(output.length > 0 && { output }) }
    verdicts.push(verdict)
    options.onVerdict?.(verdict)
  }
  try {
    const limits = { ...KIT_LIMITS, run: DEFAULT_RUN_MS, ...options.limits }
    if (options.command !== undefined && (await isAnswered(caller, limits)))
      throw new StartupError(
        `Something answers at ${options.url} already; stop the bot that runs there, or name a free port.`,
      )
    process = openProcess(options, server)
    const parts = { options, server, caller, process, limits }
    if (!(await isListening(parts))) await add('answers', fail(describeAbsence(parts)))
    else await runChecks(parts, add)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    process?.kill()
    await Promise.all([caller.stop(), server.stop()])
  }
  return verdicts
}

const isCrash = ({ result, why }: CheckFinding): boolean => result === 'fail' && why.includes('bot_crashed')

const lastLines = (output: string): string[] =>
  output.trimEnd() === '' ? [] : output.trimEnd().split('\n').slice(-SHOWN_LINES)

interface TestParts {
  options: BotTestOptions
  server: PlayedServer
  caller: BotCaller
  process: BotProcess | null
  limits: KitLimits
}

function openProcess(
  { command, pid, env, url, token }: BotTestOptions,
  server: PlayedServer,
): BotProcess | null {
  if (pid !== undefined) return processOf(pid)
  if (command === undefined) return null
  const port = new URL(url).port || '80'
  return startBotProcess(command, {
    ...env,
    HALFWAY_URL: server.url,
    BOT_TOKEN: token,
    LOCAL_API_TOKEN: token,
    BOT_PORT: port,
    LOCAL_API_PORT: port,
    BOT_ADDRESS: url,
  })
}

async function isAnswered(caller: BotCaller, limits: Pick<KitLimits, 'answer'>): Promise<boolean> {
  const { status } = await replyWithin(caller.start({ method: 'GET', path: '/health' }), limits.answer)
  return status > 0
}

/** Waits until the bot answers anything. */
async function isListening({ options, caller, process, limits }: TestParts): Promise<boolean> {
  const { signal } = options
  const until = performance.now() + limits.announce
  for (;;) {
    if (await isAnswered(caller, limits)) return true
    const hasEnded = process !== null && !process.isRunning()
    if (hasEnded || performance.now() > until) return false
    await sleep(READY_CHECK_MS, undefined, { signal })
  }
}

function describeAbsence({ options, process }: TestParts): string {
  const output = process?.output().trim()
  return `nothing answers at ${options.url}${output ? `; the output of the command ends: ${output}` : ''}`
}

async function runChecks(
  parts: TestParts,
  add: (check: string, finding: CheckFinding) => Promise<void>,
): Promise<void> {
  const { options, server, caller, process, limits } = parts
  const { service, slug, finding } = await findService(parts)
  await add('announces', finding)
  const example = service
    ? exampleData(service, options.data ?? {})
    : { ok: true as const, data: options.data ?? {} }
  if (!example.ok) return add('request data', fail(example.why))
  const { token, code = null, signal } = options
  const { data } = example
  const run = options.limits?.run ?? ((service?.limit_seconds ?? 0) * 1000 || DEFAULT_RUN_MS)
  const kit = createKit({
    slug, service, data, token, code, signal, server, caller, process, limits: { ...limits, run },
  }) // biome-ignore format: a list

  await add('health', await checkHealth(kit))
  await add('token', await checkToken(kit))
  await add('services', await checkKnownServices(kit))
  await add('bad bodies', await checkBadBodies(kit))
  await add('session_lost', await checkResume(kit))
  const reference = await kit.finish(kit.open())
  await add('completes', checkCompletion(reference))
  for (const [check, finding] of describeRun(kit, reference)) await add(check, finding)
  await add('code', await checkCodes(kit, reference))
  await add('same hash twice', await checkSameHash(kit, reference))
  await add('closed call', await checkClosedCall(kit))
  await add('cancel', await checkCancel(kit))
  await add('late success', await checkLateSuccess(kit))
  await add('server away', await checkServerAway(kit, reference))
  await add('drain', await checkDrain(kit, reference))
}

const describeRun = (kit: Kit, reference: FinishedRun): [string, CheckFinding][] => [
  ['reports', checkReports(kit, reference)],
  ['progress', checkProgress(kit, reference)],
  ['silence', checkSilence(kit, reference)],
  ['result', checkFit(kit, reference)],
  ['size', checkSize(reference)],
]

interface FoundService {
  service: Service | null
  slug: string
  finding: CheckFinding
}

/** The service to test: its announcement, else the definition of the options. */
async function findService({ options, server, limits, process }: TestParts): Promise<FoundService> {
  const { definition, slug: wanted, signal, token } = options
  const isWanted = ({ slug }: { slug: string }): boolean => wanted === undefined || slug === wanted
  if (definition !== undefined) return readDefinition(definition, skip('the definition is given'))
  const until = performance.now() + limits.announce
  for (;;) {
    const found = server.announcements.find(isWanted)
    if (found) return readDefinition(found.definition, pass(`announces "${found.slug}"`), found.slug)
    const hasEnded = process !== null && !process.isRunning()
    if (performance.now() > until || hasEnded) break
    await sleep(READY_CHECK_MS, undefined, { signal })
  }
  const [fault] = server.faults
  const why = fault ?? `start it with HALFWAY_URL=${server.url} and the token ${token}`
  const seconds = limits.announce / 1000
  return {
    service: null,
    slug: wanted ?? '',
    finding: fail(
      `nothing is announced within ${seconds} s (${why}); or give its definition with --definition`,
    ),
  }
}

/** @param announcedAs the slug in the address of the announcement */
function readDefinition(definition: unknown, finding: CheckFinding, announcedAs?: string): FoundService {
  const { slug: given } = (definition ?? {}) as { slug?: unknown }
  const slug = announcedAs ?? String(given)
  const parsed = parseService(definition)
  if (!parsed.ok)
    return { service: null, slug, finding: fail(`the definition is invalid: ${parsed.errors.join('; ')}`) }
  if (parsed.service.slug !== slug)
    return {
      service: parsed.service,
      slug,
      finding: fail(`it announces "${parsed.service.slug}" at the address of "${slug}"`),
    }
  return { service: parsed.service, slug, finding }
}
