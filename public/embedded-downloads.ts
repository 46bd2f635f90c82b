/**
 * Files are fetched by script: browsers open what another site offers for download, and where only a request's owner may
 * have it, they bring no token.
 */
export function listenToDownloads(
  root: ShadowRoot,
  headers: Record<string, string>,
  signal: AbortSignal,
): void {
  async function fetchFile(link: HTMLAnchorElement): Promise<void> {
    const answer = await fetch(link.href, { headers, signal }).catch(() => null)
    if (!answer?.ok) return
    link.href = URL.createObjectURL(await answer.blob())
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
