/** A bot that is stopped: it refuses new requests, and finishes those that run. */
import { describeReply } from '../bot-call.ts'
import {
  type CheckFinding,
  describeRunFailure,
  type FinishedRun,
  fail,
  type Kit,
  pass,
  skip,
} from '../kit.ts'
import { missingRun } from './run.ts'
import { createHold, hasReported } from './stops.ts'

/** For the signal to arrive, where no announcement says that it has. */
const SIGNAL_MS = 500
const CHECK_MS = 20

export async function checkDrain(kit: Kit, reference: FinishedRun): Promise<CheckFinding> {
  const { process, limits, wait } = kit
  if (!process) return skip('give its process with --pid, or start it with --run')
  const missing = missingRun(reference)
  if (missing) return missing
  const hold = createHold()
  const request = kit.open({ delay: hold.delay })
  const call = kit.call(request)
  const isSeen = await hasReported(kit, request, call.reply)
  process.terminate()
  await until(kit, () => isDraining(kit), SIGNAL_MS)
  const refused = isSeen ? await checkRefusal(kit) : null
  hold.release()
  const failure = describeRunFailure(await kit.finish(request, call))
  if (refused) return refused
  if (failure !== null && isSeen) return fail(`a request that ran at SIGTERM was not finished: ${failure}`)
  if (!(await until(kit, () => !process.isRunning(), limits.exit)))
    return fail(
      `its process still runs ${limits.exit / 1000} s after SIGTERM, although nothing is left to do`,
    )
  if (kit.server.announcements.length > 0 && !isDraining(kit))
    return fail('it did not announce "draining": true, so workers call it on')
  await wait(0)
  return isSeen
    ? pass('after SIGTERM it refuses new requests, finishes what runs, and ends')
    : pass('it ends after SIGTERM')
}

const isDraining = ({ server }: Kit): boolean => server.announcements.some(({ draining }) => draining)

/** A new request after SIGTERM: 503, or no connection. Both are no attempt for the worker. */
async function checkRefusal(kit: Kit): Promise<CheckFinding | null> {
  const probe = kit.open()
  const call = kit.call(probe)
  const reply = await Promise.race([call.reply, kit.wait(kit.limits.stop)])
  call.close()
  probe.end('already_final')
  if (reply && (reply.status === 503 || reply.error === 'ECONNREFUSED')) return null
  const what = reply ? describeReply(reply) : 'it was accepted'
  return fail(
    `a new request after SIGTERM: ${what}, must be 503 bot_stopping with Retry-After: it would be lost when the process ends`,
  )
}

/** Whether it became true in time. */
async function until({ wait }: Kit, isTrue: () => boolean, milliseconds: number): Promise<boolean> {
  const end = performance.now() + milliseconds
  while (!isTrue() && performance.now() < end) await wait(CHECK_MS)
  return isTrue()
}
