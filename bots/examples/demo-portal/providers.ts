/**
 * `GET /providers/{swift|steady|thorough}/score?national_code=…`: three score providers for programs. The same
 * national code gets the same scores; `swift` is down for every national code that ends in an even digit.
 */
import type { Express, RequestHandler } from 'express'
import { FIELD_TYPES } from '../../../core/catalog/fields.ts'
import { toRating } from './credit-report.ts'
import { createInvention } from './invention.ts'
import type { Pace, Seconds } from './pace.ts'

interface Provider {
  name: string
  seconds: Seconds
  /** Percent. */
  confidence: readonly [min: number, range: number]
  isDown(nationalCode: string): boolean
}

const PROVIDERS: readonly Provider[] = [
  {
    name: 'swift',
    seconds: [1.5, 2.5],
    confidence: [50, 15],
    isDown: (nationalCode) => Number(nationalCode.at(-1)) % 2 === 0,
  },
  { name: 'steady', seconds: [4.5, 5.5], confidence: [70, 15], isDown: () => false },
  { name: 'thorough', seconds: [7.5, 8.5], confidence: [90, 10], isDown: () => false },
]

export function addProviders(app: Express, { pace, now }: { pace: Pace; now: () => number }): void {
  for (const provider of PROVIDERS)
    app.get(`/providers/${provider.name}/score`, pace.takes(provider.seconds), answerOf(provider, now))
  app.use('/providers', (_req, res) => void res.status(404).json({ error: 'not_found' }))
}

const answerOf =
  ({ name, isDown, confidence: [min, range] }: Provider, now: () => number): RequestHandler =>
  (req, res) => {
    const nationalCode = FIELD_TYPES.national_code.schema.safeParse(req.query.national_code)
    if (!nationalCode.success) return void res.status(422).json({ error: 'national_code' })
    if (isDown(nationalCode.data)) return void res.status(503).json({ error: 'out_of_order' })
    const { pick } = createInvention(`${name}:${nationalCode.data}`)
    const score = pick(901)
    res.json({
      score,
      rating: toRating(score),
      checked_at: new Date(now()).toISOString(),
      confidence: min + pick(range),
    })
  }
