/** The tasks of this service: run wherever the settings say, so all they need comes with their arguments. */
import { z } from 'zod'
import { defineTask } from '../../../../core/tasks/task.ts'
import { BotFailure } from '../../../bot-failure.ts'

/** How long each provider usually takes, in seconds: by this its progress is estimated. */
export const USUAL_SECONDS = { swift: 2, steady: 5, thorough: 8 }
export const PROVIDERS = ['swift', 'steady', 'thorough'] as const satisfies (keyof typeof USUAL_SECONDS)[]

const PROGRESS_EVERY_MS = 400

const answer = z.object({
  score: z.number().int().min(0).max(900),
  rating: z.string().min(1).max(10),
  checked_at: z.iso.datetime(),
  confidence: z.number().min(0).max(100),
})
export type Answer = z.infer<typeof answer>

export const askProvider = defineTask(
  'ask-provider',
  {
    args: z.object({
      baseUrl: z.url(),
      provider: z.enum(PROVIDERS),
      nationalCode: z.string().regex(/^\d{10}$/),
    }),
    result: answer,
  },
  async ({ baseUrl, provider, nationalCode }, { signal, progress }) => {
    const url = new URL(`/providers/${provider}/score`, baseUrl)
    url.searchParams.set('national_code', nationalCode)
    const begun = performance.now()
    const ticker = setInterval(() => {
      const usual = (performance.now() - begun) / 1000 / USUAL_SECONDS[provider]
      // Slower and slower towards the end, which it does not know.
      progress(100 * (1 - Math.exp(-1.5 * usual)))
    }, PROGRESS_EVERY_MS)
    try {
      const response = await fetch(url, { signal, headers: { accept: 'application/json' } })
      if (!response.ok)
        throw new BotFailure('provider_unavailable', `${provider} answers ${response.status}.`)
      return answer.parse(await response.json())
    } finally {
      clearInterval(ticker)
    }
  },
)
