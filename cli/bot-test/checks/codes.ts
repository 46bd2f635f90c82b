/** A bot that asks for a code: a wrong one, then the right one. */
import { readReply } from '../bot-call.ts'
import {
  type CheckFinding,
  codeOf,
  describeRunFailure,
  type FinishedRun,
  fail,
  type Kit,
  pass,
  skip,
} from '../kit.ts'
import type { PlayedRequest } from '../played-request.ts'

/** Another code of the same length. */
const wrongCode = (code: string): string =>
  code.replace(/[0-9]/g, (digit) => String((Number(digit) + 1) % 10)).replace(/^\D*$/, `${code}x`)

export async function checkCodes(kit: Kit, reference: FinishedRun): Promise<CheckFinding> {
  const { code } = kit
  if (reference.asked === null) return skip('it asks for no code')
  if (code === null) return skip('give the right code with --code')
  const wrong = wrongCode(code)
  const run =
    reference.asked === 'report'
      ? await kit.finish(kit.open({ codes: [wrong, code] }))
      : await finishByCalls(kit, kit.open({ codes: [] }), wrong, code)
  if (typeof run === 'string') return fail(run)
  const isRejected = run.request.reports.some(({ what }) => what === 'reject')
  const failure = describeRunFailure(run)
  if (reference.asked === 'report' && !isRejected)
    return fail(
      failure === null
        ? 'it accepted a wrong code'
        : `after a wrong code ${failure}: it must ask again (POST reject) while tries are left`,
    )
  if (failure !== null) return fail(`a wrong code, then the right one: ${failure}`)
  const leak = findLeak(run, [wrong, code])
  if (leak !== null) return fail(`a code is in ${leak}: codes are secrets`)
  return (await checkResend(kit, code)) ?? pass('a wrong code is rejected, the right one accepted')
}

/** The person wants another code, where the bot offers that. */
async function checkResend(kit: Kit, code: string): Promise<CheckFinding | null> {
  const request = kit.open({ codes: [code], wantsResend: true })
  const failure = describeRunFailure(await kit.finish(request))
  if (failure === null) return null
  return fail(`the submitter asked for another code: ${failure}. The bot sends one and asks again`)
}

/** The second way: each code comes with a call. */
async function finishByCalls(
  kit: Kit,
  request: PlayedRequest,
  wrong: string,
  right: string,
): Promise<FinishedRun | string> {
  const startedAt = performance.now()
  await kit.call(request).reply
  const refused = await kit.call(request, { otp: wrong }).reply
  const message = readReply(refused)
  if (typeof message === 'object' && message.status === 'success' && message.code !== 'SMS_SENT')
    return 'it accepted a wrong code'
  if (codeOf(refused) !== 'OTP_REJECTED' && codeOf(refused) !== 'SMS_SENT')
    return `after a wrong code it answered ${codeOf(refused) ?? message}, must be OTP_REJECTED: the submitter is asked again`
  const reply = await kit.call(request, { otp: right }).reply
  request.end('already_final')
  return { request, reply, took: reply.at - startedAt, asked: 'sms_sent' }
}

/** Shorter ones occur by chance. */
const MIN_SECRET_LENGTH = 4

function findLeak({ request, reply }: FinishedRun, codes: string[]): string | null {
  // The values of a choice are public.
  const isSecret = request.reports.every(
    ({ what, body }) => what !== 'ask' || (body.kind ?? 'code') === 'code',
  )
  if (!isSecret || codes.some(({ length }) => length < MIN_SECRET_LENGTH)) return null
  const contains = (value: unknown): boolean => codes.some((one) => JSON.stringify(value).includes(one))
  const report = request.reports.find(({ body }) => contains(body))
  if (report) return `a report (${report.what})`
  return contains(reply.body ?? null) ? 'the answer' : null
}
