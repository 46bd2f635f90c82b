/**
 * A captcha that is easy to read for people and that a program can solve by parsing: arithmetic in words, split into pieces of
 * markup with hidden words in between.
 */
import { randomInt } from 'node:crypto'

/** The page prints each piece as an element. */
interface Piece {
  text: string
  hidden: boolean
}

export interface Captcha {
  pieces: Piece[]
  answer: number
}

const NUMBERS = 'zero one two three four five six seven eight nine ten eleven twelve'.split(' ')

export function createCaptcha(): Captcha {
  const a = randomInt(1, NUMBERS.length)
  const b = randomInt(1, NUMBERS.length)
  const [high, low] = a > b ? [a, b] : [b, a]
  const sums = [
    { question: `What is ${NUMBERS[a]} plus ${NUMBERS[b]}?`, answer: a + b },
    { question: `How much is ${NUMBERS[high]} minus ${NUMBERS[low]}?`, answer: high - low },
    { question: `What do you get for ${NUMBERS[a]} times ${NUMBERS[b]}?`, answer: a * b },
  ] as const
  const { question, answer } = sums[randomInt(sums.length)]!
  return { pieces: question.split(' ').flatMap((word, i) => toPieces(i === 0 ? word : ` ${word}`)), answer }
}

/** A word in two halves; every third one has a hidden number after it. */
function toPieces(word: string): Piece[] {
  const cut = randomInt(1, word.length)
  const halves = [word.slice(0, cut), word.slice(cut)].map((text) => ({ text, hidden: false }))
  const decoy = { text: ` ${NUMBERS[randomInt(NUMBERS.length)]}`, hidden: true }
  return randomInt(3) === 0 ? [...halves, decoy] : halves
}
