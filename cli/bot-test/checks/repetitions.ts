/** Calls that come twice, and a server that is away for a moment. */
import { isDeepStrictEqual } from 'node:util'
import { type BotReply, describeReply, readReply } from '../bot-call.ts'
import { type CheckFinding, describeRunFailure, type FinishedRun, fail, type Kit, pass } from '../kit.ts'
import { type BotReport, isWork } from '../played-request.ts'
import { missingReports, missingRun } from './run.ts'
import { createHold, hasReported } from './stops.ts'

/** For a second run to begin. */
const SECOND_RUN_MS = 300

const dataOf = (reply: BotReply): unknown => {
  const message = readReply(reply)
  return typeof message === 'object' && message.status === 'success' ? message.data : undefined
}

/** Reports that come once in a run. */
const signatureOf = ({ what, body }: BotReport): string =>
  JSON.stringify([what, body.progress, body.step, body.message, body.parts])

export async function checkSameHash(kit: Kit, reference: FinishedRun): Promise<CheckFinding> {
  const missing = missingRun(reference)
  if (missing) return missing
  const hold = createHold()
  const request = kit.open({ delay: hold.delay })
  const calls = [kit.call(request), kit.call(request)] as const
  if (await hasReported(kit, request, Promise.any(calls.map(({ reply }) => reply))))
    await kit.wait(SECOND_RUN_MS)
  hold.release()
  const [first, second] = await Promise.all(calls.map((call) => kit.finish(request, call)))
  const [earliest] = request.reports.filter(isWork)
  const count = (reports: readonly BotReport[]): number =>
    reports.filter((one) => earliest && signatureOf(one) === signatureOf(earliest)).length
  if (count(request.reports) > Math.max(1, count(reference.request.reports)))
    return fail(
      'two calls for one request did the work twice: the Idempotency-Key, which is requestHash, was the same',
    )
  for (const { reply } of [first, second] as FinishedRun[])
    if (dataOf(reply) === undefined && dataOf(reference.reply) !== undefined)
      return fail(
        `one of two calls at the same time was answered ${describeReply(reply)}: a second call must join the first`,
      )
  if (!isDeepStrictEqual(dataOf(first!.reply), dataOf(second!.reply)))
    return fail('two calls for one request got different results: the work was done twice')
  return pass('two calls at the same time did the work once')
}

/** The first report meets a server that restarts, the second a connection that breaks. */
export async function checkServerAway(kit: Kit, reference: FinishedRun): Promise<CheckFinding> {
  const missing = missingRun(reference) ?? missingReports(reference)
  if (missing) return missing
  let reports = 0
  const request = kit.open({
    refuse: (report) => {
      if (!isWork(report)) return null
      reports++
      return ([503, 'broken'] as const)[reports - 1] ?? null
    },
  })
  const failure = describeRunFailure(await kit.finish(request))
  return failure === null
    ? pass('it completes although reports failed with 503 and a broken connection')
    : fail(
        `a report was answered 503, the next one not at all: ${failure}. Progress may be dropped, the rest must be repeated`,
      )
}
