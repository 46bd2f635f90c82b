/** Answers to questions: normalized and checked by the kind of the question. */
import { describeOtpFault, extractOtp } from './digits.ts'
import { isBlank } from './message.ts'
import { kindOf, type StoredOtpPrompt } from './otp-data.ts'

export const MAX_TEXT_ANSWER = 200
/** The most characters that can be read in a picture. */
const MAX_IMAGE_ANSWER = 50

type Question = Partial<Pick<StoredOtpPrompt, 'kind' | 'length' | 'max_length' | 'options'>>

export type AnswerFault = 'missing' | 'too_long' | 'control_characters' | 'not_offered'

/** The answer as it is handed over to the bot. */
export function normalizeAnswer(question: Question, typed: string): string {
  const kind = kindOf(question)
  if (kind === 'code') return extractOtp(typed, question.length ?? null)
  return kind === 'choice' ? typed : typed.trim()
}

/** The most characters of the answer to a `text` or an `image`. */
export const maxAnswerLength = ({ kind, max_length = MAX_TEXT_ANSWER }: Question): number =>
  kind === 'image' ? MAX_IMAGE_ANSWER : max_length

/** What is wrong with the form of an answer; null when it is valid. Codes have faults of their own (`digits.ts`). */
export function answerFault(question: Question, typed: string): AnswerFault | null {
  const answer = normalizeAnswer(question, typed)
  if (isBlank(answer)) return 'missing'
  switch (kindOf(question)) {
    case 'choice':
      return question.options?.some(({ value }) => value === answer) ? null : 'not_offered'
    case 'confirm':
      return answer === 'yes' || answer === 'no' ? null : 'not_offered'
    default:
      if (answer.length > maxAnswerLength(question)) return 'too_long'
      return /\p{Cc}/u.test(answer) ? 'control_characters' : null
  }
}

/** Why an answer is invalid, without repeating it; null when it is valid. */
export function describeAnswerFault(question: Question, typed: string): string | null {
  const kind = kindOf(question)
  if (kind === 'code') return describeOtpFault(typed, question.length ?? null)
  const fault = answerFault(question, typed)
  if (fault === null) return null
  if (kind === 'confirm') return 'The answer is "yes" or "no".'
  if (kind === 'choice') return 'The answer is the value of one of the options.'
  if (fault === 'missing') return 'The answer is empty.'
  if (fault === 'control_characters') return 'The answer is one line without control characters.'
  return `The answer has at most ${maxAnswerLength(question)} characters.`
}
