/** What one whole run shows. */
import { findResultFaults } from '../../../core/catalog/result-faults.ts'
import { readReply } from '../bot-call.ts'
import {type CheckFinding, 
  describeRunFailure, type FinishedRun, fail, type Kit, pass, RESULT_LIMIT_BYTES, skip,
} from '../kit.ts' // biome-ignore format: a list
import { isWork } from '../played-request.ts'

const NO_REPORTS = 'it reports nothing, only answers'

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`

/** Whether there is nothing to see, because the run could not end. */
export function missingRun(run: FinishedRun): CheckFinding | null {
  return describeRunFailure(run) === null ? null : skip('needs a run that completes')
}
export const missingReports = ({ request }: FinishedRun): CheckFinding | null =>
  request.reports.some(isWork) ? null : skip(NO_REPORTS)

export function checkCompletion(run: FinishedRun): CheckFinding {
  const failure = describeRunFailure(run)
  if (failure !== null) return fail(failure)
  return pass(`completed after ${seconds(run.took)}`)
}

export function checkReports({ server }: Kit, { request }: FinishedRun): CheckFinding {
  const [fault] = [...request.faults, ...server.faults]
  if (fault !== undefined) return fail(`the server refuses a call: ${fault}`)
  return missingReports({ request } as FinishedRun) ?? pass(`${request.reports.length} valid reports`)
}

export function checkProgress({ service }: Kit, run: FinishedRun): CheckFinding {
  const none = missingReports(run)
  if (none) return none
  const steps = new Set(service?.steps.map(({ id }) => id))
  let highest = 0
  for (const { body } of run.request.reports.filter(({ what }) => what === 'progress')) {
    const progress = body.progress as number
    if (progress < highest)
      return fail(`progress goes down, from ${highest} to ${progress}: it must only grow`)
    if (progress > 100) return fail(`progress is ${progress}, must be 0 to 100`)
    highest = progress
    const parts = (Array.isArray(body.parts) ? body.parts : []).map(({ id }) => id)
    for (const id of [body.step, ...parts].filter((one) => one !== undefined))
      if (service && !steps.has(id))
        return fail(
          `the step "${id}" is not in the definition (${[...steps].join(', ') || 'it has no steps'}): no page shows it`,
        )
  }
  return pass('progress only grows, and its steps are known')
}

export function checkFit({ service }: Kit, run: FinishedRun): CheckFinding {
  const missing = missingRun(run)
  if (missing) return missing
  if (!service) return skip('no definition is known')
  const faults = resultsOf(run).flatMap((result) => findResultFaults(result, service.result))
  if (faults.length === 0) return pass('the result fits its definition')
  return fail(`the result does not fit its definition: ${[...new Set(faults)].join('; ')}`)
}

export function checkSize(run: FinishedRun): CheckFinding {
  const missing = missingRun(run)
  if (missing) return missing
  const bytes = Math.max(...resultsOf(run).map((one) => Buffer.byteLength(JSON.stringify(one ?? null))))
  const shown = `${Math.ceil(bytes / 1024)} kB`
  return bytes <= RESULT_LIMIT_BYTES
    ? pass(`the result has ${shown}`)
    : fail(`the result has ${shown}: with more than 256 kB the request fails with result_too_large`)
}

/** As it was answered, and as it was reported. */
function resultsOf({ request, reply }: FinishedRun): unknown[] {
  const answer = readReply(reply)
  const reported = request.reports.filter(({ what }) => what === 'complete').map(({ body }) => body.result)
  return [...(typeof answer === 'object' && answer.status === 'success' ? [answer.data] : []), ...reported]
}

/** While it waits for the submitter, a bot may be silent. */
export function checkSilence({ limits }: Kit, { request, reply, took }: FinishedRun): CheckFinding {
  let last = reply.at - took
  let isAsking = false
  let longest = 0
  for (const { what, at } of [...request.reports, { what: 'end', at: reply.at }]) {
    if (!isAsking) longest = Math.max(longest, at - last)
    if (what !== 'heartbeat') isAsking = what === 'ask' || what === 'reject'
    last = at
  }
  return longest <= limits.silence
    ? pass(`at most ${seconds(longest)} without a report`)
    : fail(
        `no report and no heartbeat for ${seconds(longest)}: the page then says that the bot is silent; report, or send a heartbeat every 10 s`,
      )
}
