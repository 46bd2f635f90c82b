/** A bot stops when nothing wants its work any more. */
import { describeReply, readReply, replyWithin } from '../bot-call.ts'
import { type CheckFinding, fail, type Kit, pass, skip } from '../kit.ts'
import { type BotReport, isWork, type PlayedRequest } from '../played-request.ts'

/** Beyond the contract: for the way of the answer. */
const MARGIN_MS = 250

/** Holds every report until it is released. */
export function createHold(): { delay: (report: BotReport) => Promise<unknown>; release(): void } {
  let release = (): void => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  return { delay: (report) => (isWork(report) ? released : Promise.resolve()), release }
}

/** Resolves with whether the bot has reported; false when its call has ended before. */
export async function hasReported(
  kit: Kit,
  request: PlayedRequest,
  reply: Promise<unknown>,
): Promise<boolean> {
  const ended = new AbortController()
  void reply.finally(() => ended.abort())
  const over = AbortSignal.any([kit.signal, ended.signal, AbortSignal.timeout(kit.limits.run)])
  return (await request.nextReport(over)) !== undefined
}

/** What the bot still did after that moment. */
function laterThan({ reports, polledAt }: PlayedRequest, at: number): string | null {
  const late = reports.filter((report) => report.at > at)
  if (late.length > 0) return late.map(({ what }) => what).join(', ')
  return polledAt > at ? 'a poll' : null
}

/** The worker closes the connection. The report that is open then is answered late, so that every further one can be seen. */
export async function checkClosedCall(kit: Kit): Promise<CheckFinding> {
  const { limits, wait } = kit
  const hold = createHold()
  const request = kit.open({ delay: hold.delay })
  const call = kit.call(request)
  if (!(await hasReported(kit, request, call.reply)))
    return skip('it does not report, so this cannot be seen')
  call.close()
  const closedAt = performance.now()
  await wait(limits.stop + MARGIN_MS)
  hold.release()
  await wait(limits.watch)
  const late = laterThan(request, closedAt + limits.stop)
  request.end('already_final')
  return late === null
    ? pass('no report after the connection was closed')
    : fail(
        `it works on after its connection was closed (${late} later than 1 s): a closed connection means stop, and another bot may do the work`,
      )
}

/** Several may be open at the same time. */
const MAX_REFUSED_REPORTS = 2

/** The submitter cancels: reports are refused with 409, and `control` says stop. */
export async function checkCancel(kit: Kit): Promise<CheckFinding> {
  const { limits, wait } = kit
  const request = kit.open()
  const call = kit.call(request)
  if (!(await hasReported(kit, request, call.reply)))
    return skip('it does not report, so this cannot be seen')
  request.end('already_final')
  const cancelledAt = performance.now()
  const answered = await Promise.race([call.reply, wait(limits.stop + MARGIN_MS)])
  await wait(limits.watch)
  call.close()
  const late = request.reports.filter(({ at }) => at > cancelledAt + limits.stop)
  const refused = request.reports.filter((report) => isWork(report) && report.at > cancelledAt)
  if (late.length > 0 || refused.length > MAX_REFUSED_REPORTS)
    return fail(`it reports on after the cancel (${refused.length} reports): 409 already_final means stop`)
  if (answered) return pass(`stopped ${Math.round(answered.at - cancelledAt)} ms after the cancel`)
  if (refused.length === 0 && !request.isControlled)
    return skip('it neither reports again nor asks control: only the closed connection stops it')
  return fail(
    `its call was still open 1 s after the cancel, although ${request.isControlled ? 'control answered stop' : 'a report was refused with 409'}`,
  )
}

const MAX_REPETITIONS = 2

/** The submitter cancels just before the bot is done. */
export async function checkLateSuccess(kit: Kit): Promise<CheckFinding> {
  const request = kit.open({ refuse: ({ what }) => (what === 'complete' ? 409 : null) })
  const call = kit.call(request)
  const completions = (): number => request.reports.filter(({ what }) => what === 'complete').length
  const isRepeated = request.nextReport(kit.signal, () => completions() > MAX_REPETITIONS)
  const run = await Promise.race([kit.finish(request, call), isRepeated.then(() => null)])
  call.close()
  if (run === null) return fail('it sends complete again and again, although 409 already_final means stop')
  if (completions() === 0) return skip('it does not report complete')
  const message = readReply(run.reply)
  if (typeof message === 'string')
    return fail(`complete was refused with 409, because the request was cancelled before: ${message}`)
  const health = await replyWithin(kit.caller.start({ method: 'GET', path: '/health' }), kit.limits.answer)
  return health.status === 200
    ? pass(`a refused complete: ${describeReply(run.reply)}`)
    : fail(`after complete was refused with 409: GET /health: ${describeReply(health)}`)
}
