/** The lines that an attempt leaves in the log. */
import { shortReference } from '../core/domain/short-reference.ts'
import type { Log } from '../core/runtime/log.ts'
import type { ChosenBot } from './bot-router.ts'
import type { AttemptOutcome } from './run-attempt.ts'
import type { Work } from './start-attempt.ts'

/** Logs the start of an attempt, and how it ended. */
export async function logAttempt(
  log: Log,
  { record, otp, isResumed }: Work,
  bot: ChosenBot,
  run: () => Promise<AttemptOutcome>,
): Promise<AttemptOutcome> {
  const { hash, service_slug: service, attempt } = record
  const attemptLog = log.child({ request: shortReference(hash), service, attempt, bot: bot.url })
  const withCode = otp === undefined ? '' : ' with the code'
  attemptLog.debug(otp !== undefined || isResumed ? `attempt resumed${withCode}` : 'attempt started')
  const startedAt = performance.now()
  const outcome = await run()
  logOutcome(attemptLog, outcome, Math.round(performance.now() - startedAt))
  return outcome
}

function logOutcome(log: Log, outcome: AttemptOutcome, took_ms: number): void {
  if (outcome.is === 'ended') log.info({ took_ms }, 'attempt ended with the request')
  else if (outcome.is === 'waiting') log.info({ took_ms }, 'waiting for a code, without holding a worker')
  else {
    const { code: reason, retryable, cause } = outcome.error
    log.info(
      { took_ms, reason, retryable, cause, bot_reached: outcome.is !== 'not_reached' },
      'attempt failed',
    )
  }
}
