/** What an embedded page stands in, and how a page of the server becomes part of another one. */
import type { Locale } from '../core/texts/index.ts'

export interface Frame {
  readonly main: HTMLElement
  readonly polite: HTMLElement
  readonly assertive: HTMLElement
  put(main: HTMLElement): void
}

/** Style, language and live regions around the content; shown once its style is there. */
export function createFrame(root: ShadowRoot, server: string, locale: Locale): Frame {
  const style = make('link', { rel: 'stylesheet', href: `${server}/assets/style.css`, crossorigin: '' })
  const box = make('div', {
    class: 'embedded',
    lang: locale,
    dir: locale === 'fa' ? 'rtl' : 'ltr',
    hidden: '',
  })
  const polite = make('div', { class: 'visually-hidden', role: 'status' })
  const assertive = make('div', { class: 'visually-hidden', role: 'alert' })
  let main: HTMLElement = make('div', { id: 'main' })
  style.onload = style.onerror = () => box.removeAttribute('hidden')
  box.append(main, polite, assertive)
  root.replaceChildren(style, box)
  if (locale === 'fa') addFont(server)
  return {
    get main() {
      return main
    },
    polite,
    assertive,
    put(fresh) {
      main.replaceWith(fresh)
      main = fresh
    },
  }
}

/** A page's content as part of another page: it has a main part and a first heading of its own. */
export function adapt(page: HTMLElement, server: string): HTMLElement {
  const main = make('div', { id: 'main', tabindex: '-1' })
  main.append(...page.childNodes)
  for (const heading of main.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
    heading.setAttribute('aria-level', String(Number(heading.tagName[1]) + 1))
  }
  for (const form of main.querySelectorAll('form[action]')) makeAbsolute(form, 'action', server)
  for (const link of main.querySelectorAll('a[href]')) {
    makeAbsolute(link, 'href', server)
    link.setAttribute('target', '_blank')
  }
  return main
}

const makeAbsolute = (element: Element, name: string, server: string): void =>
  element.setAttribute(name, new URL(element.getAttribute(name) ?? '', server).href)

/** The fonts of a tree's own styles are not heard of: only a document has fonts. */
function addFont(server: string): void {
  if ([...document.fonts].some(({ family }) => family === 'Vazirmatn')) return
  document.fonts.add(
    new FontFace('Vazirmatn', `url(${server}/assets/vazirmatn.woff2)`, { weight: '100 900' }),
  )
}

function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string>,
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}
