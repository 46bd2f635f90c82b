/** Tasks of this service. CONCURRENCY_DRIVER decides where they run, so arguments are all that they get. */
import { z } from 'zod'
import { defineTask } from '../../../core/tasks/task.ts'
import { BotFailure } from '../../bot-failure.ts'

/** Usual duration of each provider in seconds, from which its progress is estimated. */
export const USUAL_SECONDS = { swift: 2, steady: 5, thorough: 8 }
export const PROVIDERS = ['swift', 'steady', 'thorough'] as const satisfies (keyof typeof USUAL_SECONDS)[]

const PROGRESS_INTERVAL_MS = 400

const answer = z.object({
  score: z.number().int().min(0).max(900),
  rating: z.string().min(1).max(10),
  checked_at: z.iso.datetime(),
  confidence: z.number().min(0).max(100),
})
/** With how long it took. */
const timedAnswer = answer.extend({ seconds: z.number().min(0) })
export type ProviderAnswer = z.infer<typeof timedAnswer>

export const askProvider = defineTask(
  'ask-provider',
  {
    args: z.object({
      baseUrl: z.url(),
      provider: z.enum(PROVIDERS),
      nationalCode: z.string().regex(/^\d{10}$/),
    }),
    result: timedAnswer,
  },
  async ({ baseUrl, provider, nationalCode }, { signal, progress }) => {
    const url = new URL(`/providers/${provider}/score`, baseUrl)
    url.searchParams.set('national_code', nationalCode)
    const startedAt = performance.now()
    const ticker = setInterval(() => {
      const elapsedShare = (performance.now() - startedAt) / 1000 / USUAL_SECONDS[provider]
      // Approaches 100 without reaching it, because the real duration is unknown.
      progress(100 * (1 - Math.exp(-1.5 * elapsedShare)))
    }, PROGRESS_INTERVAL_MS)
    try {
      const response = await fetch(url, { signal, headers: { accept: 'application/json' } })
      if (!response.ok)
        throw new BotFailure('provider_unavailable', `${provider} answers ${response.status}.`)
      const seconds = Math.round((performance.now() - startedAt) / 100) / 10
      return { ...answer.parse(await response.json()), seconds }
    } finally {
      clearInterval(ticker)
    }
  },
)
