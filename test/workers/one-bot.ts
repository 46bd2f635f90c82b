/** A router that gives every request to one bot, which did not announce itself. */
import type { BotRouter } from '../../workers/bot-router.ts'

export const TOKEN = 'a-token-of-the-tests'

export const onlyBot = (url: string): BotRouter => ({
  choose: async () => ({ url, tokens: [TOKEN], release: async () => {} }),
  avoid: () => false,
  trust: () => {},
})
