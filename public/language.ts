/** Switches the language in place when something has been typed, so that it is not lost. */
import { type LoadedPage, readPageResponse } from './load-page.ts'
import { hasTyped } from './typed.ts'

/** @param onPage replaces the content; everything around it has the new language by then */
export function listenToLanguageLink(onPage: (page: LoadedPage) => void): void {
  document.addEventListener('click', (event) => {
    const link = (event.target as Element).closest<HTMLAnchorElement>('a.language')
    const opensElsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey
    if (!link || opensElsewhere || !hasTyped(document)) return
    event.preventDefault()
    void follow(link.href)
  })

  async function follow(address: string): Promise<void> {
    const page = await fetch(address, { headers: { Accept: 'text/html' } })
      .then(readPageResponse)
      .catch(() => null)
    if (!page) return location.assign(address)
    showAround(page)
    onPage(page)
    document.querySelector<HTMLElement>('a.language')?.focus()
  }
}

function showAround({ lang, dir, around }: LoadedPage): void {
  Object.assign(document.documentElement, { lang, dir })
  document.documentElement.dataset.locale = lang
  for (const [name, part] of around) document.querySelector(name)?.replaceWith(part)
}
