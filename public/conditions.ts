/**
 * Shows the fields whose condition the form meets, and disables the others, so that they are neither reached nor sent.
 * Without this script all are shown, each with its condition, and the server leaves out what does not apply.
 */
import { toLatinDigits, withoutInvisible } from '../core/domain/digits.ts'

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement

/** @param place the document, or a new part of it */
export function showApplicableFields(place: ParentNode): void {
  // In the order of the page: a field that does not apply has no value, so the next ones see its state.
  for (const field of place.querySelectorAll<HTMLElement>('[data-show-when]')) {
    field.querySelector('.condition')?.remove()
    const applies = field.classList.contains('field-wrong') || isMet(field, place)
    field.hidden = !applies
    field.dataset.applies = String(applies)
    for (const control of field.querySelectorAll<Control>('input, textarea, select'))
      control.disabled = !applies
  }
}

function isMet({ dataset: { showWhen = '', equals = '[]' } }: HTMLElement, place: ParentNode): boolean {
  const controls = [...place.querySelectorAll<Control>(`[name="${CSS.escape(showWhen)}"]`)].filter(
    ({ disabled }) => !disabled,
  )
  if (controls.length === 0) return false
  const values = controls.filter(hasValue).map(({ value }) => normalize(value))
  const expected = (JSON.parse(equals) as string[]).map(normalize)
  // No expected value: a checkbox that is not ticked.
  return expected.length === 0 ? values.length === 0 : expected.every((value) => values.includes(value))
}

const hasValue = (control: Control): boolean =>
  control instanceof HTMLInputElement && /^(?:checkbox|radio)$/.test(control.type)
    ? control.checked
    : control.value.trim() !== ''

/** About as the server does, which decides. */
function normalize(value: string): string {
  const text = withoutInvisible(toLatinDigits(value)).trim().toLowerCase()
  return text !== '' && Number.isFinite(Number(text)) ? String(Number(text)) : text
}
