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

/** For an expired code: offers a new one, where the bot supports resending. */
export const formatCodeExpired = (t: T, prompt: Pick<OtpPrompt, 'resend_available_at'> | null): string =>
  t(prompt && prompt.resend_available_at === null ? 'live.code_over_for_good' : 'live.code_over')
