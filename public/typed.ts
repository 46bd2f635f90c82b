/**
 * Copies typed and chosen values to the page that replaces the shown one. They stay in the document: a code must not be
 * stored anywhere else.
 */
type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement

const CONTROLS = 'input[name], textarea[name], select[name]'

const isCheckable = (control: Control): control is HTMLInputElement =>
  control instanceof HTMLInputElement && /^(?:checkbox|radio)$/.test(control.type)

export function keepTyped(from: ParentNode, to: ParentNode): void {
  const after = [...to.querySelectorAll<Control>(CONTROLS)]
  for (const before of from.querySelectorAll<Control>(CONTROLS)) {
    const control = after.find(
      (other) =>
        other.name === before.name &&
        // The answer to one question is none to the next one.
        other.form?.dataset.question === before.form?.dataset.question &&
        (!isCheckable(before) || other.value === before.value),
    )
    if (!control) continue
    if (isCheckable(before) && isCheckable(control)) control.checked = before.checked
    else control.value = before.value
  }
}

export const hasTyped = (place: ParentNode): boolean =>
  [...place.querySelectorAll<Control>(CONTROLS)].some((control) => {
    if (isCheckable(control)) return control.checked !== control.defaultChecked
    if (control instanceof HTMLSelectElement)
      return [...control.options].some(({ selected, defaultSelected }) => selected && !defaultSelected)
    return control.value !== control.defaultValue
  })
