/** The kind of a question and its details as another program wrote them. */
import { parseQuestion } from '../catalog/question.ts'
import { MAX_TEXT_ANSWER } from '../domain/answer.ts'
import { questionDetails, type StoredOtpPrompt } from '../domain/otp-data.ts'

type Question = Pick<
  StoredOtpPrompt,
  'kind' | 'max_length' | 'options' | 'confirm_label' | 'decline_label' | 'image' | 'has_image'
>

/** A question that cannot be shown as its kind asks for a text, in which any answer can be given. */
export function parseForeignQuestion({ has_image, ...given }: Record<string, unknown>): Question {
  if (given.kind === undefined || given.kind === null || given.kind === 'code') return {}
  // The other program wrote back a question whose picture is stored already.
  if (given.kind === 'image' && given.image === undefined && has_image === true)
    return { kind: 'image', has_image }
  const parsed = parseQuestion(given, { lenient: true })
  if (!parsed.ok) return { kind: 'text', max_length: MAX_TEXT_ANSWER }
  const question: Question = parsed.question
  return {
    kind: question.kind,
    ...questionDetails(question),
    ...(question.image !== undefined && { image: question.image }),
  }
}
