/** Buttons that need script: confirm a cancellation, copy, print. One listener, since the content may be replaced. */
import { readPage } from './page-data.ts'

/** @param root the document, or the shadow root of the element */
export function listenToControls(root: Document | ShadowRoot, check: () => void, signal?: AbortSignal): void {
  const act = (event: Event): void => {
    const { ctrlKey, metaKey, shiftKey, altKey, target } = event as MouseEvent
    // With a modifier the browser opens the link elsewhere.
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
