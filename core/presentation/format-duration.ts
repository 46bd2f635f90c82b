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

/** To the second below an hour, to the minute below a day, else to the hour. */
export function formatDuration(t: T, seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return t('live.duration.seconds', { seconds: whole })
  if (whole < 3600) {
    const [minutes, rest] = [Math.floor(whole / 60), whole % 60]
    if (rest === 0) return t('live.duration.minutes', { minutes })
    return t('live.duration.minutes_seconds', { minutes, seconds: rest })
  }
  const allMinutes = Math.round(whole / 60)
  if (allMinutes < 24 * 60) {
    const [hours, minutes] = [Math.floor(allMinutes / 60), allMinutes % 60]
    if (minutes === 0) return t('live.duration.hours', { hours })
    return t('live.duration.hours_minutes', { hours, minutes })
  }
  const allHours = Math.round(whole / 3600)
  const [days, hours] = [Math.floor(allHours / 24), allHours % 24]
  return hours === 0 ? t('live.duration.days', { days }) : t('live.duration.days_hours', { days, hours })
}

/** Time until a start, in the largest unit that fits: "in 2 hours", "in 90 s"; "any moment now" when it has passed. */
export function formatUntil(t: T, seconds: number): string {
  if (seconds > 129_600) return t('live.until.days', { days: Math.round(seconds / 86_400) })
  if (seconds > 5400) return t('live.until.hours', { hours: Math.round(seconds / 3600) })
  if (seconds > 120) return t('live.until.minutes', { minutes: Math.ceil(seconds / 60) })
  return seconds > 0 ? t('live.until.seconds', { seconds: roundCountdown(seconds) }) : t('live.until.now')
}

/** Age of the last message. From a minute on the text says that there was no update, because people start to doubt then. */
export function formatAge(t: T, seconds: number): string {
  if (seconds < 10) return t('live.age.now')
  if (seconds < 60) return t('live.age.seconds', { seconds: Math.floor(seconds / 10) * 10 })
  return t('live.age.silent', { minutes: Math.floor(seconds / 60) })
}

/** How long ago a waiting request was sent. */
export const formatSent = (t: T, seconds: number): string =>
  t('live.age.sent', { minutes: Math.floor(seconds / 60), seconds: Math.floor(seconds / 10) * 10 })

/** How long ago the bot was known to be alive; null when that says nothing about now. */
export function formatBotSeen(t: T, seconds: number): string | null {
  return seconds < 60 ? t('live.age.alive', { seconds: Math.floor(seconds / 5) * 5 }) : null
}

/**
 * In steps of five seconds, from ten on in single ones: a number that changes every second is distracting. Less than a second
 * above a step counts as the step, so that a wait of ten seconds begins with 10.
 */
export const roundCountdown = (seconds: number): number =>
  seconds < 11 ? Math.min(10, Math.ceil(seconds)) : Math.ceil(Math.floor(seconds) / 5) * 5

type Resend = Pick<OtpPrompt, 'kind' | 'resend_available_at'>

/** For an expired code or question: offers a new one, where the bot supports resending. */
export function formatCodeExpired(t: T, prompt: Resend | null): string {
  const isOver = prompt !== null && prompt.resend_available_at === null
  if (!prompt || prompt.kind === 'code') return t(isOver ? 'live.code_over_for_good' : 'live.code_over')
  if (isOver) return t('live.question_over')
  return t(prompt.kind === 'image' ? 'live.question_over_image' : 'live.question_over_text')
}

/** For how long an answer is accepted; null when no longer. */
export const formatValidity = (t: T, expiresAt: string, now: number): string | null =>
  now < Date.parse(expiresAt) ? formatRemaining(t, (Date.parse(expiresAt) - now) / 1000) : null

/** How often a code or picture can be sent again, and when next; null where it cannot be sent again at all. */
export function formatResends(
  t: T,
  { kind, resend_available_at, resends_left: left }: Pick<OtpPrompt, keyof Resend | 'resends_left'>,
  now: number,
): { text: string; seconds: number } | null {
  if (resend_available_at === null || left === null) return null
  const seconds = Math.max(0, Math.ceil((Date.parse(resend_available_at) - now) / 1000))
  const key = kind === 'code' || kind === 'image' ? kind : 'text'
  return { text: t(`live.resends_left.${key}`, { left, seconds: roundCountdown(seconds) }), seconds }
}
