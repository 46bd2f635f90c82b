/** Solves the portal's captcha: arithmetic in words, split into pieces of markup. Hidden elements are ignored. */
import { type PortalPage, portalChanged } from '../portal/portal-page.ts'

const NUMBERS =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty'.split(
    ' ',
  )
const QUESTION = new RegExp(`\\b(${NUMBERS.join('|')}) (plus|minus|times) (${NUMBERS.join('|')})\\b`, 'i')

/** @throws BotFailure `portal_changed` when the question is of an unknown kind */
export function solveCaptcha({ $ }: PortalPage): string {
  const question = $('form[name=captcha] .question').clone()
  question.find('[hidden]').remove()
  const [, left, operation, right] = QUESTION.exec(question.text().replace(/\s+/g, ' ')) ?? []
  if (!left || !operation || !right) throw portalChanged('it asks a captcha of another kind')
  const a = NUMBERS.indexOf(left.toLowerCase())
  const b = NUMBERS.indexOf(right.toLowerCase())
  switch (operation.toLowerCase()) {
    case 'plus':
      return String(a + b)
    case 'minus':
      return String(a - b)
    default:
      return String(a * b)
  }
}
