/**
 * `GET /providers/{swift|steady|thorough}/score?national_code=…`: three providers of scores, for programs. The same person
 * gets the same scores; the quickest one is down for every national code that ends in an even digit.
 */
import type { Express, RequestHandler } from 'express'
import { FIELD_TYPES } from '../../core/catalog/fields.ts'
import { toRating } from './credit-report.ts'
import { createInvention } from './invention.ts'
import type { Pace, Seconds } from './pace.ts'

interface Provider {
  name: string
  seconds: Seconds
  /** Percent: the least of its answers, and by how much the surest is above it. */
  confidence: readonly [least: number, range: number]
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
  ({ name, isDown, confidence: [least, range] }: Provider, now: () => number): RequestHandler =>
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
      confidence: least + pick(range),
    })
  }
