/** What buttons do with script: ask before cancelling, copy, print. One listener, since the content may be replaced. */
import { readPage } from './page-data.ts'

/** @param root where the request is shown: the document, or the element's own tree */
export function listenToControls(root: Document | ShadowRoot, check: () => void, signal?: AbortSignal): void {
  const act = (event: Event): void => {
    const { ctrlKey, metaKey, shiftKey, altKey, target } = event as MouseEvent
    // With a modifier a link is opened elsewhere: that stays the browser's.
    if (ctrlKey || metaKey || shiftKey || altKey) return
    const control = (target as Element).closest<HTMLElement>('a, button')
    if (!control) return
    if (control.dataset.opens) {
      event.preventDefault()
      const dialog = root.getElementById(control.dataset.opens) as HTMLDialogElement | null
      dialog?.showModal()
    } else if (control.dataset.live === 'check') {
      event.preventDefault()
      check()
    } else if (control.dataset.copies) {
      void copy(control, root.getElementById(control.dataset.copies)?.textContent ?? '')
    } else if ('print' in control.dataset) window.print()
  }
  root.addEventListener('click', act, { signal })
}

async function copy(button: HTMLElement, text: string): Promise<void> {
  await navigator.clipboard.writeText(text)
  const words = readPage(button)?.t('live.copied')
  if (words) button.textContent = words
}
