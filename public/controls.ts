/** What buttons do with script: ask before cancelling, copy, print. One listener, since the content may be replaced. */
import { readPage } from './page-data.ts'

export function listenToControls(check: () => void): void {
  document.addEventListener('click', (event) => {
    // With a modifier a link is opened elsewhere: that stays the browser's.
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
    const control = (event.target as Element).closest<HTMLElement>('a, button')
    if (!control) return
    if (control.dataset.opens) {
      event.preventDefault()
      const dialog = document.getElementById(control.dataset.opens) as HTMLDialogElement | null
      dialog?.showModal()
    } else if (control.dataset.live === 'check') {
      event.preventDefault()
      check()
    } else if (control.dataset.copies) void copy(control, control.dataset.copies)
    else if ('print' in control.dataset) window.print()
  })
}

/** Shows the buttons that do nothing without script. */
export function revealControls(): void {
  const canCopy = 'clipboard' in navigator
  for (const control of document.querySelectorAll<HTMLElement>('[data-print], [data-copies]')) {
    control.hidden = 'copies' in control.dataset && !canCopy
  }
}

async function copy(button: HTMLElement, id: string): Promise<void> {
  await navigator.clipboard.writeText(document.getElementById(id)?.textContent ?? '')
  const words = readPage()?.t('live.copied')
  if (words) button.textContent = words
}
