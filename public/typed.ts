/**
 * What somebody has typed goes along when a page of the server takes the place of the one shown. It stays in the
 * document: of a code nothing may be left anywhere else.
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
