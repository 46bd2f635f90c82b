/** Times in words. Rounded so that they read calmly and, for the remaining time, never grow as seconds pass. */
import type { OtpPrompt } from '../domain/record.ts'
import type { Translate } from '../i18n/formatter.ts'
import type { LiveKey } from '../i18n/index.ts'

type T = Translate<LiveKey>

/** What is left of a running request. */
export function formatRemaining(t: T, seconds: number): string {
  if (seconds <= 0) return t('live.remaining.over')
  if (seconds < 60) return t('live.remaining.soon')
  return t('live.remaining.minutes', { minutes: Math.round(seconds / 60) })
}

/** How long something took, to the second. */
export function formatDuration(t: T, seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const minutes = Math.floor(whole / 60)
  if (minutes === 0) return t('live.duration.seconds', { seconds: whole })
  if (whole % 60 === 0) return t('live.duration.minutes', { minutes })
  return t('live.duration.minutes_seconds', { minutes, seconds: whole % 60 })
}

/** What is left until something begins, in the largest unit that fits. */
export function formatUntil(t: T, seconds: number): string {
  if (seconds > 5400) return t('live.duration.hours', { hours: Math.round(seconds / 3600) })
  if (seconds > 60) return t('live.duration.minutes', { minutes: Math.ceil(seconds / 60) })
  return t('live.duration.seconds', { seconds: roundCountdown(seconds) })
}

/** How old the last message is. Silence is told as such: it is the question people have after a minute. */
export function formatAge(t: T, seconds: number): string {
  if (seconds < 10) return t('live.age.now')
  if (seconds < 60) return t('live.age.seconds', { seconds: Math.floor(seconds / 10) * 10 })
  return t('live.age.silent', { minutes: Math.floor(seconds / 60) })
}

/** A countdown in steps of five, then by the second: a number that jumps every second is hard to look away from. */
export const roundCountdown = (seconds: number): number =>
  seconds > 10 ? Math.ceil(seconds / 5) * 5 : Math.ceil(seconds)

/** What to do when the time for a code is over: have another one sent, where the bot does that. */
export const codeOverWords = (t: T, prompt: Pick<OtpPrompt, 'resend_available_at'> | null): string =>
  t(prompt && prompt.resend_available_at === null ? 'live.code_over_for_good' : 'live.code_over')
