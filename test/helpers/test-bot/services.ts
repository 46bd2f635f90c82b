/** The services of the tests with handlers: reports and short delays, and the results that their definitions describe. */
import { setTimeout as sleep } from 'node:timers/promises'
import { BotFailure } from '../../../bots/bot-failure.ts'
import {
  type BotRequest,
  type BotService,
  type DataOf,
  defineService,
  type Handle,
} from '../../../bots/bot-server/define-service.ts'
import { messageBuilder } from '../../../bots/bot-server/messages.ts'
import { codeRejected, type SmsSent, smsSent } from '../../../bots/bot-server/sms-sent.ts'
import { commonMessage } from '../../../core/domain/common-messages.ts'
import { task } from '../../../core/tasks/task.ts'
import { definition as accountStatement } from '../services/account-statement.ts'
import { definition as creditScore } from '../services/credit-score-rating.ts'
import { definition as linkCheck } from '../services/link-check.ts'
import { definition as threeProvider } from '../services/three-provider-inquiry.ts'
import { CODE_LENGTH, sendCode } from './codes.ts'
import { askProvider } from './tasks.ts'

interface TestBotSettings {
  /** How long a step takes. */
  stepMs: number
  /** Where codes are sent to. */
  codesFile: string
}

const CODE_SECONDS = 120

export const createTestServices = (settings: TestBotSettings): BotService[] => [
  defineService(creditScore, creditScoreHandler(settings)),
  defineService(accountStatement, accountStatementHandler(settings)),
  defineService(threeProvider, threeProviderHandler(settings)),
  defineService(linkCheck, linkCheckHandler(settings)),
]

const maskMobile = (mobile: string): string => `${mobile.slice(0, 4)}***${mobile.slice(-4)}`

/** Reports a step and takes its time. */
type Work = (
  progress: number,
  ...report: [step: string, message: Parameters<BotRequest['updateProgress']>[2]]
) => Promise<void>

const workOf =
  ({ updateProgress, signal }: BotRequest, { stepMs }: TestBotSettings): Work =>
  async (progress, step, message) => {
    await updateProgress(progress, step, message)
    await sleep(stepMs, undefined, { signal })
  }

/** Asks for its code during the call. */
function creditScoreHandler(settings: TestBotSettings): Handle<DataOf<typeof creditScore>> {
  const localized = messageBuilder(creditScore)
  return async ({ mobile }, request) => {
    const work = workOf(request, settings)
    const sentTo = maskMobile(mobile)
    let code = ''
    const ask = async (): Promise<void> => {
      code = sendCode(settings.codesFile, mobile)
      const message = localized('code_of_digits_sent', { digits: CODE_LENGTH, sent_to: sentTo })
      await request.markAsOtpRequired({
        length: CODE_LENGTH,
        sent_to: sentTo,
        ...message,
        expires_in: CODE_SECONDS,
      })
    }
    await work(12, 'authentication', localized('signing_in'))
    await work(20, 'captcha_solving', localized('solving_captcha'))
    await work(40, 'sending_otp', localized('having_code_sent', { sent_to: sentTo }))
    await work(50, 'waiting_otp', localized('code_sent', { sent_to: sentTo }))
    await ask()
    for (;;) {
      const typed = await request.waitForOtp({ onResend: ask })
      await work(70, 'verifying_otp', localized('checking_code'))
      if (typed === code) break
      if (!(await request.rejectOtp(localized('code_wrong'))))
        throw new BotFailure('otp_attempts_exhausted', commonMessage('otp_attempts_exhausted'))
    }
    await work(85, 'processing_result', localized('reading_report'))
    return {
      score: 712,
      rating: 'B',
      open_loans: 1,
      bounced_cheques: 0,
      reference_number: 'TEST-00000001',
      report_date: '2026-01-02',
      full_name: 'Sara Ahmadi',
    }
  }
}

/** Ends its call once the code is sent. */
function accountStatementHandler(settings: TestBotSettings): Handle<DataOf<typeof accountStatement>> {
  const localized = messageBuilder(accountStatement)
  return async ({ account_number, mobile }, request) => {
    const work = workOf(request, settings)
    const sentTo = maskMobile(mobile)
    await work(15, 'signing_in', localized('signing_in'))
    await work(30, 'sending_otp', localized('having_code_sent', { sent_to: sentTo }))
    await work(45, 'waiting_otp', localized('code_sent', { sent_to: sentTo }))

    async function verify(isRight: boolean, again: BotRequest): Promise<unknown> {
      const work = workOf(again, settings)
      await work(65, 'verifying_otp', localized('checking_code'))
      if (!isRight) throw codeRejected(localized('code_wrong'))
      await work(85, 'reading_statement', localized('reading_statement'))
      return {
        account_number: `******${account_number.slice(-4)}`,
        holder: 'Sara Ahmadi',
        closing_balance: 1_500_000,
        currency: 'IRR',
        reference_number: 'TEST-00000002',
        lines: [{ date: '2026-01-02', description: 'Transfer', amount: 1_500_000, balance: 1_500_000 }],
      }
    }
    function send(): SmsSent {
      const code = sendCode(settings.codesFile, mobile)
      const message = localized('code_of_digits_sent', { digits: CODE_LENGTH, sent_to: sentTo })
      return smsSent(
        { length: CODE_LENGTH, sent_to: sentTo, ...message, expires_in: CODE_SECONDS },
        { verify: (typed, again) => verify(typed === code, again), resend: async () => send() },
      )
    }
    return send()
  }
}

/** Runs tasks concurrently. */
function threeProviderHandler({ stepMs }: TestBotSettings): Handle<DataOf<typeof threeProvider>> {
  const localized = messageBuilder(threeProvider)
  const providers = ['swift', 'steady', 'thorough']
  return async (_data, request) => {
    await request.updateProgress(5, 'asking', localized('asking_providers', { providers: providers.length }))
    const calls = providers.map((step, i) => ({
      step,
      call: task(askProvider, { provider: step, ms: stepMs * (i + 1) }),
    }))
    const outcomes = await request.parallel(calls, { from: 5, to: 90 })
    const answers = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.value] : []))
    await request.updateProgress(90, 'comparing', localized('comparing_answers', { answers: answers.length }))
    return {
      ...answers.at(-1),
      rating: 'B',
      checked_at: new Date().toISOString(),
      chosen_because: 'most_confident',
      providers: answers.map(({ provider, score, confidence }, i) => ({
        provider,
        outcome: i === answers.length - 1 ? 'taken' : 'answered',
        score,
        confidence,
      })),
    }
  }
}

/** Asks for nothing. It reads one page, so that a test can hold it up, and then takes ten steps. */
function linkCheckHandler(settings: TestBotSettings): Handle<DataOf<typeof linkCheck>> {
  const localized = messageBuilder(linkCheck)
  return async ({ url }, request) => {
    const work = workOf(request, settings)
    await work(1, 'fetching_start_page', localized('opening_site', { host: new URL(url).host }))
    const { status } = await openPage(url, request.signal)
    for (let read = 1; read <= 10; read++)
      await work(5 + 9 * read, 'crawling', localized('pages_read', { read, found: 10, left: 0, broken: 0 }))
    await work(97, 'summarizing', localized('summarizing', { read: 10, broken: 0 }))
    const broken = status < 400 ? [] : [{ url, status, code: `http_${status}`, found_on: url, also_on: 0 }]
    return {
      start_url: url,
      pages_checked: 10,
      links_checked: 10,
      links_not_checked: 0,
      broken,
      broken_total: broken.length,
      duration_seconds: 1,
    }
  }

  async function openPage(url: string, signal: AbortSignal): Promise<{ status: number }> {
    try {
      const response = await fetch(url, { signal })
      await response.body?.cancel()
      return response
    } catch (error) {
      signal.throwIfAborted()
      const message = localized('site_unreachable', { why: 'unreachable' })
      throw new BotFailure('site_unreachable', message, { retryable: true, cause: error })
    }
  }
}
