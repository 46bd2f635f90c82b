/**
 * Downloads files by script: browsers open a cross-origin file instead of saving it, and send no owner token where the
 * server requires one.
 */
export function listenToDownloads(
  root: ShadowRoot,
  headers: Record<string, string>,
  signal: AbortSignal,
): void {
  async function fetchFile(link: HTMLAnchorElement): Promise<void> {
    const response = await fetch(link.href, { headers, signal }).catch(() => null)
    if (!response?.ok) return
    link.href = URL.createObjectURL(await response.blob())
    link.click()
  }

  root.addEventListener(
    'click',
    (event) => {
      const link = (event.target as Element).closest<HTMLAnchorElement>('a[download]')
      if (!link || link.protocol === 'blob:') return
      event.preventDefault()
      void fetchFile(link)
    },
    { signal },
  )
}
