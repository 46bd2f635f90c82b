/** The model of the form in which the submitter answers a question, a code or one of another kind. */
import type { Service } from '../../core/catalog/service-definition.ts'
import { type Text, textIn } from '../../core/catalog/text.ts'
import { MAX_TEXT_ANSWER } from '../../core/domain/answer.ts'
import type { OtpPrompt, PublicView } from '../../core/domain/record.ts'
import type { TextKey } from '../../core/i18n/en.ts'
import type { Texts } from '../../core/i18n/index.ts'
import { isNumberText, localizeNumberText } from '../../core/i18n/localize-digits.ts'
import { lastMessage } from '../../core/presentation/describe-request.ts'
import { formatCodeExpired, formatResends, formatValidity } from '../../core/presentation/format-duration.ts'
import { isResending, isResent, resendNote } from '../../core/presentation/resend-note.ts'
import { promptProblem } from './code-problem.ts'
import { localizerFor } from './message-text.ts'

export interface CodeFormModel {
  /** What was typed is kept while this stays the same. */
  question: string
  control: 'code' | 'text' | 'radios' | 'select' | 'confirm' | 'image'
  title: string
  /** In the digits of the language. */
  sentTo: string | null
  message: string | null
  label: string
  hint: string | null
  /** Of a choice; of a confirm the two buttons. */
  options: { id: string; value: string; label: string }[]
  imageUrl: string | null
  expiresAt: string
  /** For how long it is open, in words; null when it no longer is. */
  validity: string | null
  /** Nothing can be answered any more. */
  isClosed: boolean
  /** That the time is over, and what to do. */
  over: string | null
  error: string | null
  /** How often it can be sent again, and when; null when the bot does not offer it. */
  resends: string | null
  canResend: boolean
  /** When it can be sent again, for pages without script, whose countdown would stand still; null when now or never. */
  resendAt: string | null
  /** The note after a resend; null without one. */
  resent: string | null
  focus: boolean
  texts: CodeFormTexts
}

/** The texts that depend on the kind, as keys of the catalogue. */
const TEXTS = {
  code: {
    sentTo: 'code.title_sent_to',
    until: 'code.until',
    failed: 'code.failed',
    resend: 'code.resend_text',
    resendFailed: 'code.resend_failed',
    resendButton: 'live.resend',
    resent: 'code.resent',
    notYours: 'code.not_yours',
  },
  text: {
    sentTo: 'question.sent_to',
    until: 'question.until',
    failed: 'question.failed',
    resend: 'question.resend.text',
    resendFailed: 'question.resend_failed.text',
    resendButton: 'live.resend_text',
    resent: 'question.resent.text',
    notYours: 'question.not_yours',
  },
  image: {
    sentTo: 'question.sent_to',
    until: 'question.until',
    failed: 'question.failed',
    resend: 'question.resend.image',
    resendFailed: 'question.resend_failed.image',
    resendButton: 'live.resend_image',
    resent: 'question.resent.image',
    notYours: 'question.not_yours',
  },
} as const
type CodeFormTexts = Readonly<Record<keyof (typeof TEXTS)['code'], TextKey>>

function textsOf({ kind, sent_to }: OtpPrompt): CodeFormTexts {
  const texts: CodeFormTexts = kind === 'code' || kind === 'image' ? TEXTS[kind] : TEXTS.text
  return kind === 'code' && sent_to && isNumberText(sent_to)
    ? { ...texts, sentTo: 'code.title_sent_to_number' }
    : texts
}

export interface CodeFormInput {
  /** What was wrong with the answer just submitted. */
  problem?: string
  /** Whether to focus the field, because this is the code page. */
  focus?: boolean
}

export function codeFormModel(
  view: PublicView,
  service: Service | undefined,
  texts: Texts,
  now: number,
  input: CodeFormInput,
): CodeFormModel | null {
  const { t, locale } = texts
  const prompt = view.otp_data
  if (!view.requires_otp || !prompt) return null
  const resends = formatResends(t, prompt, now)
  const isOnItsWay = !input.problem && isResending(prompt, now)
  const localize = localizerFor(service, locale)
  const { kind } = prompt
  const validity = formatValidity(t, prompt.expires_at, now)
  const over = validity === null && !isOnItsWay ? formatCodeExpired(t, prompt) : null
  const question = localize(prompt)
  // The page already shows the bot's last message below.
  const note = question === lastMessage(view, localize) ? null : question
  return {
    question: kind === 'code' ? kind : `${kind} ${prompt.id}`,
    control: controlOf(prompt),
    title: kind === 'code' ? t('code.title') : question || t(`question.title.${kind}`),
    sentTo: prompt.sent_to && localizeNumberText(locale, prompt.sent_to),
    message: kind === 'code' && !isResent(prompt) ? note : null,
    label:
      kind === 'code' ? t('code.label') : t(kind === 'image' ? 'question.label_image' : 'question.label'),
    hint: hintOf(prompt, t),
    options: optionsOf(prompt, texts),
    imageUrl: prompt.image_url ?? null,
    expiresAt: prompt.expires_at,
    validity,
    isClosed: validity === null || prompt.attempts_left <= 0,
    // While a new code is on its way, the previous code's problem no longer matters.
    over,
    error: isOnItsWay || input.problem === over ? null : (input.problem ?? promptProblem(t, prompt)),
    resends: resends?.text ?? null,
    canResend: prompt.resends_left !== 0,
    resendAt: prompt.resends_left !== 0 && resends && resends.seconds > 0 ? prompt.resend_available_at : null,
    resent: resendNote(prompt, { onItsWay: t(textsOf(prompt).resent), read: localize, now }),
    focus: Boolean(input.focus),
    texts: textsOf(prompt),
  }
}

const MAX_RADIOS = 5

function controlOf({ kind, options = [] }: OtpPrompt): CodeFormModel['control'] {
  if (kind !== 'choice') return kind
  return options.length <= MAX_RADIOS ? 'radios' : 'select'
}

function hintOf({ kind, length, max_length }: OtpPrompt, t: Texts['t']): string | null {
  if (kind === 'code') return length ? t('code.hint_length', { length }) : null
  const isShort = kind === 'text' && max_length !== undefined && max_length < MAX_TEXT_ANSWER
  return isShort ? t('question.max', { max: max_length }) : null
}

function optionsOf(prompt: OtpPrompt, { t, locale }: Texts): CodeFormModel['options'] {
  const { kind, options = [], confirm_label, decline_label } = prompt
  const given: { value: string; label: Text }[] =
    kind === 'confirm'
      ? [
          { value: 'yes', label: confirm_label ?? t('result.yes') },
          { value: 'no', label: decline_label ?? t('result.no') },
        ]
      : [...options]
  return given.map(({ value, label }, i) => ({
    // The first one is the field that errors and the focus lead to.
    id: i === 0 ? 'otp' : `otp-${i + 1}`,
    value,
    label: textIn(label, locale),
  }))
}
