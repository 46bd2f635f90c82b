/** What an embedded page stands in, and how a page of the server becomes part of another one. */
import type { LoadedPage } from './load-page.ts'
import { keepTyped } from './typed.ts'

/** Names with a hash, written in by the build: this script's own version of each, whatever the server has by then. */
declare const STYLE_FILE: string
declare const FONT_FILE: string

export interface Frame {
  /** What is shown now. */
  readonly main: HTMLElement
  readonly polite: HTMLElement
  readonly assertive: HTMLElement
  /** Shows this instead. */
  put(page: LoadedPage): void
  /** Light or dark as the page around is by now. */
  followScheme(): void
}

/** Style, language and live regions around the content; once that is there, they take the place of what was shown. */
export function createFrame(root: ShadowRoot, server: string): Frame {
  const style = make('link', { rel: 'stylesheet', href: `${server}/assets/${STYLE_FILE}`, crossorigin: '' })
  const box = make('div', { class: 'embedded', hidden: '' })
  const polite = make('div', { class: 'visually-hidden', role: 'status' })
  const assertive = make('div', { class: 'visually-hidden', role: 'alert' })
  let main: HTMLElement = make('div', { id: 'main' })
  let isStyled = false
  box.append(main, polite, assertive)
  root.append(box)

  function reveal(): void {
    root.querySelector('slot')?.remove()
    box.hidden = false
  }
  style.onerror = reveal
  style.onload = () => {
    isStyled = true
    reveal()
    followScheme()
    box.style.zoom = String(sizeOfText(polite) / sizeOfText(document.documentElement))
  }

  function followScheme(): void {
    if (isStyled) darken(style.sheet as CSSStyleSheet, getComputedStyle(root.host).colorScheme)
  }

  return {
    get main() {
      return main
    },
    polite,
    assertive,
    put(page) {
      const fresh = adapt(page.main, server)
      keepTyped(main, fresh)
      main.replaceWith(fresh)
      main = fresh
      box.lang = page.lang
      box.dataset.locale = page.lang
      box.dir = page.dir
      if (page.lang === 'fa') addFont(server)
      // Not before: the server is there now.
      if (!style.isConnected) root.prepend(style)
    },
    followScheme,
  }
}

/** A page's content as part of another page, which has a main part and a first heading of its own. */
function adapt(page: HTMLElement, server: string): HTMLElement {
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
  for (const field of main.querySelectorAll('input[autofocus]')) field.removeAttribute('autofocus')
  // What is true of the page it came with alone: that this can be printed, that this address keeps working.
  for (const other of main.querySelectorAll('[data-print], .aside')) other.remove()
  return main
}

const makeAbsolute = (element: Element, name: string, server: string): void =>
  element.setAttribute(name, new URL(element.getAttribute(name) ?? '', server).href)

/** Whom it is dark for on our pages may be on one that is always light, or always dark: its colours follow that. */
function darken({ cssRules }: CSSStyleSheet, scheme: string): void {
  const canBeLight = !scheme.includes('dark') || scheme.includes('light')
  const whenDark = canBeLight ? '(prefers-color-scheme: dark)' : 'all'
  for (const rule of cssRules) {
    const isForDark = rule instanceof CSSMediaRule && rule.cssText.includes('--ink:')
    if (isForDark) rule.media.mediaText = scheme.includes('dark') ? whenDark : 'not all'
  }
}

/** Our sizes count in that of the root, which some pages shrink; people's own setting is what the regions have. */
const sizeOfText = (element: Element): number => Number.parseFloat(getComputedStyle(element).fontSize)

/** The fonts of a tree's own styles are not heard of: only a document has fonts. */
function addFont(server: string): void {
  if ([...document.fonts].some(({ family }) => family === 'Vazirmatn')) return
  document.fonts.add(new FontFace('Vazirmatn', `url(${server}/assets/${FONT_FILE})`, { weight: '100 900' }))
}

function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string>,
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}
