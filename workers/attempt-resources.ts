/** What an attempt holds while it runs, released however it ends. */
import type { RequestRecord } from '../core/domain/record.ts'
import type { EarlySubscription } from '../core/pubsub/request-watcher.ts'
import type { BotRouter, ChosenBot } from './bot-router.ts'

/** @param work gets null when no bot has room */
export async function withBot(
  bots: Pick<BotRouter, 'choose'>,
  record: RequestRecord,
  work: (bot: ChosenBot | null) => Promise<void>,
): Promise<void> {
  const bot = await bots.choose(record)
  try {
    await work(bot)
  } finally {
    // Not waited for: it is sent before the command that ends the job, and never rejects.
    void bot?.release()
  }
}

/** Lets the subscription be made while the work begins. */
export async function withSubscription(
  subscribing: Promise<EarlySubscription>,
  work: (subscribing: Promise<EarlySubscription>) => Promise<void>,
): Promise<void> {
  // It may fail while nothing waits for it.
  subscribing.catch(() => {})
  try {
    await work(subscribing)
  } finally {
    void subscribing.then(
      ({ stop }) => stop(),
      () => {},
    )
  }
}
