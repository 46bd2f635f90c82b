/** Buttons that need script: confirm a cancellation, copy, share, print. One listener, since the content may be replaced. */
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
    } else if (control.dataset.live === 'check' || control.dataset.live === 'check-now') {
      event.preventDefault()
      check()
    } else if (control.dataset.copies) {
      const copied = root.getElementById(control.dataset.copies) as HTMLAnchorElement | null
      // Of a link its address.
      void copy(control, copied?.href ?? copied?.textContent ?? '', copied)
    } else if (control.dataset.share) {
      void share(control, new URL(control.dataset.share, location.href).href)
    } else if ('print' in control.dataset) window.print()
  }
  root.addEventListener('click', act, { signal })
}

/** @param source selected where the browser refuses the clipboard, to be copied by hand */
async function copy(button: HTMLElement, text: string, source?: HTMLElement | null): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
    const words = readPage(button)?.t('live.copied')
    if (words) button.textContent = words
  } catch {
    if (source) getSelection()?.selectAllChildren(source)
  }
}

/** By the dialog of the system; where there is none, the address is copied. */
async function share(button: HTMLElement, url: string): Promise<void> {
  if (!navigator.share) return copy(button, url)
  // Closing the dialog rejects.
  await navigator.share({ title: document.title, url }).catch(() => {})
}
