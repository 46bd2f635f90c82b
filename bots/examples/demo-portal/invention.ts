/** Made-up people and figures, derived from what was typed: the same input gives the same ones. */
import { hash, randomInt } from 'node:crypto'

export interface Invention {
  /** The next pseudo-random number from 0 to `below` - 1. */
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
    hash('sha256', `demo-portal:${drawn++}:${typed}`, 'buffer').readUInt32BE() % below
  return {
    pick,
    fullName: () => `${FIRST_NAMES[pick(FIRST_NAMES.length)]} ${LAST_NAMES[pick(LAST_NAMES.length)]}`,
  }
}

/** Random: one derived from the input could be reversed by trying all inputs. */
export const newReference = (): string => `DEMO-${randomInt(10_000_000, 100_000_000)}`

/** The UTC day, YYYY-MM-DD. @param at milliseconds */
export const toDay = (at: number): string => new Date(at).toISOString().slice(0, 10)
