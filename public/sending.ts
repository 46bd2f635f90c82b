/**
 * Marks a pressed button as busy immediately, so that it is not pressed again on a slow network.
 *
 * @returns restores the button
 */
export function showSending(form: HTMLFormElement, pressed: HTMLElement | null = null): () => void {
  const button = pressed ?? form.querySelector<HTMLElement>('[data-sending]')
  if (!button?.dataset.sending || button.ariaBusy) return () => {}
  const text = button.textContent
  button.ariaBusy = 'true'
  button.textContent = button.dataset.sending
  return () => {
    button.ariaBusy = null
    button.textContent = text
  }
}
