/** Made-up people and figures. All follow from what was typed, so that the same person meets the same ones again. */
import { createHash, randomInt } from 'node:crypto'

export interface Invention {
  /** A number from 0 to `below` - 1; the next one at each call. */
  pick(below: number): number
  fullName(): string
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

export function createInvention(typed: string): Invention {
  let drawn = 0
  const pick = (below: number): number =>
    createHash('sha256').update(`demo-portal:${drawn++}:${typed}`).digest().readUInt32BE() % below
  return {
    pick,
    fullName: () => `${FIRST_NAMES[pick(FIRST_NAMES.length)]} ${LAST_NAMES[pick(LAST_NAMES.length)]}`,
  }
}

/** Drawn by chance: one made from what was typed would give it away to whoever tries them all. */
export const newReference = (): string => `DEMO-${randomInt(10_000_000, 100_000_000)}`

/** The UTC day, YYYY-MM-DD. @param at milliseconds */
export const toDay = (at: number): string => new Date(at).toISOString().slice(0, 10)
