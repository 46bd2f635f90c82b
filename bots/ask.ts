/**
 * Asks the submitter and waits for the answer in one call. The answer comes from the page, the API or the CLI, whichever is
 * first.
 *
 *   const code = await request.askCode({
 *     length: 6,
 *     sentTo: '0912***4567',
 *     resend: () => portal.sendAnotherCode(),
 *     verify: (code) => portal.confirm(code),
 *   })
 */
import type { WaitForOtpOptions } from '../core/actions/otp-mailbox.ts'
import type { OtpOptions } from '../core/domain/command.ts'
import { commonMessage } from '../core/domain/common-messages.ts'
import { type LocalizedMessage, toLocalizedMessage } from '../core/domain/message.ts'
import type { AnswerOption, QuestionDetails } from '../core/domain/otp-data.ts'
import { BotFailure } from './bot-failure.ts'

interface AskOptions {
  /** The question, or a note to it. */
  message?: string | LocalizedMessage
  /** Seconds until the question expires; then BotFailure `otp_expired`. Default: 120. */
  expiresIn?: number
  /** Ends the wait with the signal's reason. A handler's request has its own signal already. */
  signal?: AbortSignal
}

interface CheckOptions {
  /**
   * Whether the answer is right. After a wrong one the submitter is asked again while tries are left, three in all; then
   * BotFailure `otp_attempts_exhausted`. Left out, every answer of the right form counts.
   */
  verify?: (answer: string) => boolean | Promise<boolean>
  /** Shown after a wrong answer. */
  rejection?: string | LocalizedMessage
}

interface ResendOptions {
  /** The masked recipient: `0912***4567`. */
  sentTo?: string
  /**
   * Has another code sent. It is called when the submitter presses "Send a new code", at most five times; afterwards the
   * question is renewed, with its full time. Left out, the page has no such button.
   */
  resend?: () => unknown
}

export interface AskCodeOptions extends AskOptions, CheckOptions, ResendOptions {
  /** The number of digits, if it is known. */
  length?: number
}

export interface AskTextOptions extends AskOptions, CheckOptions, ResendOptions {
  /** The most characters of the answer, 200 at most. */
  maxLength?: number
}

export interface AskChoiceOptions<Value extends string = string> extends AskOptions {
  /** 2 to 20. A label is one text for all languages, or one by language: `{ en: 'Savings', fa: 'پس‌انداز' }`. */
  options: readonly (AnswerOption & { value: Value })[]
}

export interface AskConfirmOptions extends AskOptions {
  /** The words on the two buttons. Default: yes and no. */
  confirmLabel?: QuestionDetails['confirm_label']
  declineLabel?: QuestionDetails['decline_label']
}

export interface AskImageOptions extends AskOptions {
  /** A `data:` address in base64 of a PNG, JPEG, GIF or WebP of at most 64 kB. */
  image: string
  /** Gets another picture when the submitter cannot read this one, at most five times. */
  resend?: () => string | Promise<string>
}

/** A question of any kind. */
export type Question =
  | ({ kind: 'code' } & AskCodeOptions)
  | ({ kind: 'text' } & AskTextOptions)
  | ({ kind: 'choice' } & AskChoiceOptions)
  | ({ kind: 'confirm' } & AskConfirmOptions)
  | ({ kind: 'image' } & AskImageOptions)

/**
 * Each asks, waits and resolves with the answer.
 *
 * @throws BotFailure `otp_expired` when no answer came in time, `otp_attempts_exhausted` when all were wrong; AppError
 * `bot_bad_answer` for an invalid question, and when the request has ended
 */
export interface Ask {
  /** The answer as a string; that of a `confirm` is `yes` or `no`. */
  ask(question: Question): Promise<string>
  askCode(options?: AskCodeOptions): Promise<string>
  askText(options: AskTextOptions): Promise<string>
  /** Resolves with the value of the chosen option. */
  askChoice<const Value extends string>(options: AskChoiceOptions<Value>): Promise<Value>
  askConfirm(options: AskConfirmOptions): Promise<boolean>
  askImage(options: AskImageOptions): Promise<string>
}

interface Reports {
  markAsOtpRequired(otp: OtpOptions): Promise<void>
  waitForOtp(options: WaitForOtpOptions): Promise<string>
  rejectOtp(message?: string | LocalizedMessage): Promise<boolean>
}

export function createAsk(reports: Reports): Ask {
  async function ask(question: Question): Promise<string> {
    const { signal } = question
    let asked = toOtpOptions(question)
    await reports.markAsOtpRequired(asked)
    const onResend = resendOf(question, async (image) => {
      if (image !== undefined) asked = { ...asked, image }
      await reports.markAsOtpRequired(asked)
    })
    for (;;) {
      const answer = await reports.waitForOtp({ ...(signal && { signal }), ...(onResend && { onResend }) })
      if (!('verify' in question) || !question.verify || (await question.verify(answer))) return answer
      if (!(await reports.rejectOtp(question.rejection)))
        throw new BotFailure('otp_attempts_exhausted', commonMessage('otp_attempts_exhausted'))
    }
  }

  return {
    ask,
    askCode: (options) => ask({ kind: 'code', ...options }),
    askText: (options) => ask({ kind: 'text', ...options }),
    // The form of the answer was checked when it was submitted.
    askChoice: async <const Value extends string>(options: AskChoiceOptions<Value>) =>
      (await ask({ kind: 'choice', ...options })) as Value,
    askConfirm: async (options) => (await ask({ kind: 'confirm', ...options })) === 'yes',
    askImage: (options) => ask({ kind: 'image', ...options }),
  }
}

/** @param renew asks again, with another picture if there is one */
function resendOf(
  question: Question,
  renew: (image?: string) => Promise<void>,
): (() => Promise<void>) | undefined {
  if (!('resend' in question) || !question.resend) return undefined
  const { kind, resend } = question
  return async () => {
    const sent = await resend()
    await renew(kind === 'image' && typeof sent === 'string' ? sent : undefined)
  }
}

function toOtpOptions(question: Question): OtpOptions {
  const { kind, message, expiresIn } = question
  const common = {
    kind,
    ...(message !== undefined && toLocalizedMessage(message)),
    ...(expiresIn !== undefined && { expires_in: expiresIn }),
    resend: 'resend' in question && question.resend !== undefined,
    ...('sentTo' in question && question.sentTo !== undefined && { sent_to: question.sentTo }),
  }
  switch (question.kind) {
    case 'code':
      return { ...common, length: question.length }
    case 'text':
      return { ...common, max_length: question.maxLength }
    case 'choice':
      return { ...common, options: question.options }
    case 'confirm':
      return { ...common, confirm_label: question.confirmLabel, decline_label: question.declineLabel }
    case 'image':
      return { ...common, image: question.image }
    default:
      // An unknown kind, which is refused.
      return common
  }
}
