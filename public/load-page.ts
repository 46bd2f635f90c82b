/** Puts the server's page in the place of the one shown, without a reload: what it says is the truth. */

/** @returns false when it could not be had and should be tried again */
export async function loadPage(address: string): Promise<boolean> {
  try {
    const answer = await fetch(address, { headers: { Accept: 'text/html' }, cache: 'no-store' })
    // Gone and unknown have pages worth showing; what passes by itself is better waited for.
    if (!answer.ok && answer.status !== 404 && answer.status !== 410) return false
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html')
    const main = fresh.querySelector('main')
    if (!main) return false
    // Another language was chosen in another tab: direction, font and frame change with it.
    if (fresh.documentElement.lang !== document.documentElement.lang) {
      location.replace(answer.url)
      return false
    }
    const shown = document.querySelector('main')
    const hadFocus = shown?.contains(document.activeElement) ?? false
    shown?.replaceWith(document.adoptNode(main))
    document.title = fresh.title
    history.replaceState(null, '', answer.url)
    // Focus is never taken from anywhere else; but where its element is gone, it goes on at the new heading.
    if (hadFocus) main.querySelector<HTMLElement>('h1')?.focus()
    return true
  } catch {
    return false
  }
}
