/**
 * Copies typed values to the page that replaces the shown one. They stay in the document: a code must not be stored
 * anywhere else.
 */
export function keepTyped(from: ParentNode, to: ParentNode): void {
  for (const before of from.querySelectorAll<HTMLInputElement>('input[name]')) {
    const field = to.querySelector<HTMLInputElement>(`input[name="${CSS.escape(before.name)}"]`)
    if (field) field.value = before.value
  }
}

export const hasTyped = (place: ParentNode): boolean =>
  [...place.querySelectorAll<HTMLInputElement>('input[name]')].some(
    ({ value, defaultValue }) => value !== defaultValue,
  )
