/** A button that was pressed says so at once, however slow the network: nobody presses it a second time. */

export function showSending(root: Document | ShadowRoot): void {
  root.addEventListener('submit', ({ target }) => {
    const button = (target as HTMLElement).querySelector<HTMLElement>('[data-sending]')
    if (!button || button.ariaBusy) return
    const words = button.textContent
    button.ariaBusy = 'true'
    button.textContent = button.dataset.sending ?? words
    // Back from where it led to, it can be pressed again.
    const restore = (): void => {
      button.ariaBusy = null
      button.textContent = words
    }
    window.addEventListener('pageshow', restore, { once: true })
  })
}
