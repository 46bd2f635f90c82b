/** A made-up credit report. Everything but the reference follows from the national code: the same person, the same score. */
import { createHash, randomInt } from 'node:crypto'

export interface CreditReport {
  fullName: string
  /** 0 to 900. */
  score: number
  rating: 'A' | 'B' | 'C' | 'D' | 'E'
  openLoans: number
  bouncedCheques: number
  /** The UTC day it was made, YYYY-MM-DD. */
  date: string
  /** Drawn for each report: one made from the national code would give it away to whoever tries them all. */
  reference: string
}

const FIRST_NAMES = ['Ava', 'Bahram', 'Darya', 'Farhad', 'Golnaz', 'Kian', 'Mahsa', 'Navid', 'Parisa', 'Sina']
const LAST_NAMES = [
  'Azari',
  'Bagheri',
  'Dehghan',
  'Ebrahimi',
  'Golestani',
  'Kamali',
  'Moradi',
  'Noori',
  'Rostami',
  'Shams',
]

/** @param now milliseconds */
export function makeCreditReport(nationalCode: string, now: number): CreditReport {
  const seed = createHash('sha256').update(`demo-portal:${nationalCode}`).digest()
  const pick = (at: number, below: number): number => seed.readUInt32BE(at) % below
  const score = pick(0, 901)
  return {
    fullName: `${FIRST_NAMES[pick(4, FIRST_NAMES.length)]} ${LAST_NAMES[pick(8, LAST_NAMES.length)]}`,
    score,
    rating: ratingOf(score),
    openLoans: pick(12, 5),
    bouncedCheques: score >= 600 ? 0 : pick(16, 4),
    date: new Date(now).toISOString().slice(0, 10),
    reference: `DEMO-${randomInt(10_000_000, 100_000_000)}`,
  }
}

function ratingOf(score: number): CreditReport['rating'] {
  if (score >= 720) return 'A'
  if (score >= 600) return 'B'
  if (score >= 450) return 'C'
  return score >= 250 ? 'D' : 'E'
}
