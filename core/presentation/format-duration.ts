/** Formats durations, rounded so that texts change seldom, and so that the remaining time never grows. */
import type { OtpPrompt } from '../domain/record.ts'
import type { Translate } from '../i18n/formatter.ts'
import type { LiveKey } from '../i18n/index.ts'

type T = Translate<LiveKey>

/** Remaining time of a running request. */
export function formatRemaining(t: T, seconds: number): string {
  if (seconds <= 0) return t('live.remaining.over')
  if (seconds < 60) return t('live.remaining.soon')
  return t('live.remaining.minutes', { minutes: Math.round(seconds / 60) })
}

/** To the second. */
export function formatDuration(t: T, seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const minutes = Math.floor(whole / 60)
  if (minutes === 0) return t('live.duration.seconds', { seconds: whole })
  if (whole % 60 === 0) return t('live.duration.minutes', { minutes })
  return t('live.duration.minutes_seconds', { minutes, seconds: whole % 60 })
}

/** Time until a start, in the largest unit that fits. */
export function formatUntil(t: T, seconds: number): string {
  if (seconds > 5400) return t('live.duration.hours', { hours: Math.round(seconds / 3600) })
  if (seconds > 60) return t('live.duration.minutes', { minutes: Math.ceil(seconds / 60) })
  return t('live.duration.seconds', { seconds: roundCountdown(seconds) })
}

/** Age of the last message. From a minute on the text says that there was no update, because people start to doubt then. */
export function formatAge(t: T, seconds: number): string {
  if (seconds < 10) return t('live.age.now')
  if (seconds < 60) return t('live.age.seconds', { seconds: Math.floor(seconds / 10) * 10 })
  return t('live.age.silent', { minutes: Math.floor(seconds / 60) })
}

/** How long ago the bot was known to be alive; null when that says nothing about now. */
export function formatBotSeen(t: T, seconds: number): string | null {
  return seconds < 60 ? t('live.age.alive', { seconds: Math.floor(seconds / 5) * 5 }) : null
}

/** In steps of five seconds, below ten in single ones: a number that changes every second is distracting. */
export const roundCountdown = (seconds: number): number =>
  seconds > 10 ? Math.ceil(seconds / 5) * 5 : Math.ceil(seconds)

type Resend = Pick<OtpPrompt, 'kind' | 'resend_available_at'>

/** For an expired code or question: offers a new one, where the bot supports resending. */
export function formatCodeExpired(t: T, prompt: Resend | null): string {
  const isOver = prompt !== null && prompt.resend_available_at === null
  if (!prompt || prompt.kind === 'code') return t(isOver ? 'live.code_over_for_good' : 'live.code_over')
  if (isOver) return t('live.question_over')
  return t(prompt.kind === 'image' ? 'live.question_over_image' : 'live.question_over_text')
}

const RESEND_TEXTS = {
  code: ['live.resend', 'live.resend_in'],
  text: ['live.resend_text', 'live.resend_text_in'],
  image: ['live.resend_image', 'live.resend_image_in'],
} as const

/** The button that asks for another code or picture; with `seconds` it is not available yet. */
export function formatResend(t: T, { kind }: Pick<Resend, 'kind'>, seconds: number): string {
  const [now, later] = RESEND_TEXTS[kind === 'code' || kind === 'image' ? kind : 'text']
  return seconds > 0 ? t(later, { seconds: roundCountdown(seconds) }) : t(now)
}
