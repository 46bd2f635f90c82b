/**
 * A question that a person reads at a glance and a program can solve honestly, by parsing: arithmetic in words, cut
 * into pieces of markup with words in between that are not shown.
 */
import { randomInt } from 'node:crypto'

/** A piece of the question as the page prints it, one element each. */
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
  return { pieces: question.split(' ').flatMap((word, i) => noisy(i === 0 ? word : ` ${word}`)), answer }
}

/** A word in two halves, now and then with a hidden number after it. */
function noisy(word: string): Piece[] {
  const cut = randomInt(1, word.length)
  const halves = [word.slice(0, cut), word.slice(cut)].map((text) => ({ text, hidden: false }))
  const decoy = { text: ` ${NUMBERS[randomInt(NUMBERS.length)]}`, hidden: true }
  return randomInt(3) === 0 ? [...halves, decoy] : halves
}
