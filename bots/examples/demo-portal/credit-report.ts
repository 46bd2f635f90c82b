/** A made-up credit report. All but the reference is derived from the national code: the same code, the same score. */
import { createInvention, newReference, toDay } from './invention.ts'

export interface PortalCreditReport {
  fullName: string
  /** 0 to 900. */
  score: number
  rating: 'A' | 'B' | 'C' | 'D' | 'E'
  openLoans: number
  bouncedCheques: number
  /** UTC day of creation, YYYY-MM-DD. */
  date: string
  reference: string
}

/** @param now milliseconds */
export function makeCreditReport(nationalCode: string, now: number): PortalCreditReport {
  const { pick, fullName } = createInvention(nationalCode)
  const score = pick(901)
  return {
    fullName: fullName(),
    score,
    rating: toRating(score),
    openLoans: pick(5),
    bouncedCheques: score >= 600 ? 0 : pick(4),
    date: toDay(now),
    reference: newReference(),
  }
}

export function toRating(score: number): PortalCreditReport['rating'] {
  if (score >= 720) return 'A'
  if (score >= 600) return 'B'
  if (score >= 450) return 'C'
  return score >= 250 ? 'D' : 'E'
}
