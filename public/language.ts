/** The link to the other language, where something has been typed: the page changes without losing that. */
import { type LoadedPage, readAnswer } from './load-page.ts'
import { hasTyped } from './typed.ts'

/** @param take puts the page's main part in place; what stands around it is in its language by then */
export function listenToLanguageLink(take: (page: LoadedPage) => void): void {
  document.addEventListener('click', (event) => {
    const link = (event.target as Element).closest<HTMLAnchorElement>('a.language')
    const opensElsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey
    if (!link || opensElsewhere || !hasTyped(document)) return
    event.preventDefault()
    void follow(link.href)
  })

  async function follow(address: string): Promise<void> {
    const page = await fetch(address, { headers: { Accept: 'text/html' } })
      .then(readAnswer)
      .catch(() => null)
    if (!page) return location.assign(address)
    showAround(page)
    take(page)
    document.querySelector<HTMLElement>('a.language')?.focus()
  }
}

function showAround({ lang, dir, around }: LoadedPage): void {
  Object.assign(document.documentElement, { lang, dir })
  document.documentElement.dataset.locale = lang
  for (const [name, part] of around) document.querySelector(name)?.replaceWith(part)
}
