/**
 * A button that was pressed says so at once, however slow the network: nobody presses it a second time.
 *
 * @returns the way to make it as it was
 */
export function showSending(form: HTMLFormElement): () => void {
  const button = form.querySelector<HTMLElement>('[data-sending]')
  if (!button?.dataset.sending || button.ariaBusy) return () => {}
  const words = button.textContent
  button.ariaBusy = 'true'
  button.textContent = button.dataset.sending
  return () => {
    button.ariaBusy = null
    button.textContent = words
  }
}
