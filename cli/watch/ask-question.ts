/** Asks the question of a request on the terminal, in the form of its kind. */
import { textIn } from '../../core/catalog/text.ts'
import type { OtpPrompt } from '../../core/domain/record.ts'
import type { Prompts } from './prompts.ts'

/** Typed instead of an answer, to request a new code or picture. */
export const RESEND_WORD = 'new'

/** Resolves with the answer, or with RESEND_WORD; null when the prompt is dismissed. */
export async function askQuestion(
  prompts: Prompts,
  prompt: OtpPrompt,
  signal: AbortSignal,
): Promise<string | null> {
  switch (prompt.kind) {
    case 'code':
      // A terminal keeps its output: the code must not be part of it.
      return prompts.askSecret(codeQuestion(prompt), { emptyHint: 'Type the code you were sent.', signal })
    case 'choice': {
      const options = (prompt.options ?? []).map(({ value, label }) => ({
        value,
        label: textIn(label, 'en'),
      }))
      return prompts.choose(prompt.message ?? 'Choose an answer', { options, signal })
    }
    case 'confirm': {
      const yes = textIn(prompt.confirm_label ?? 'Yes', 'en')
      const no = textIn(prompt.decline_label ?? 'No', 'en')
      const answer = await prompts.confirm(prompt.message ?? 'Please confirm', { yes, no, signal })
      return answer === null ? null : answer ? 'yes' : 'no'
    }
    default:
      if (prompt.image_url) prompts.info(`The picture is on the request’s page, and at ${prompt.image_url}.`)
      return prompts.askText(textQuestion(prompt), { emptyHint: 'Type an answer.', signal })
  }
}

const sentTo = ({ sent_to }: OtpPrompt): string => (sent_to ? ` sent to ${sent_to}` : '')

const codeQuestion = (prompt: OtpPrompt): string =>
  `Type the ${prompt.length ? `${prompt.length} digits` : 'code'}${sentTo(prompt)}, or "${RESEND_WORD}" for a new code`

function textQuestion(prompt: OtpPrompt): string {
  const isImage = prompt.kind === 'image'
  const question = prompt.message ?? (isImage ? 'Type what you see in the picture' : 'Type your answer')
  if (prompt.resend_available_at === null) return question
  return `${question} (or "${RESEND_WORD}" ${isImage ? 'for another picture' : 'to have it sent again'})`
}
