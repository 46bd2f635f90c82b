/** What the times of a view mean for those who look at it. */
import type { PublicView } from './record.ts'

/** How long before the expiry a page shows a warning. */
const EXPIRING_MS = 120_000
export const isExpiring = ({ expires_at }: Pick<PublicView, 'expires_at'>, now: number): boolean =>
  Date.parse(expires_at) - now < EXPIRING_MS

/** A bot that reported within this time is not shown as alive in addition. */
const QUIET_MS = 15_000
/** Whether the bot was alive long after its last report. */
export const isBotSeenSince = ({ bot_seen_at, updated_at }: PublicView): boolean =>
  Date.parse(bot_seen_at ?? '') - Date.parse(updated_at) >= QUIET_MS
