/** The frame of an embedded page, and the adaption of the server's HTML to a host page. */
import { holdImages } from './embedded-images.ts'
import type { LoadedPage } from './load-page.ts'
import { keepTyped } from './typed.ts'

/** Names with a content hash, inserted by the build: the versions that belong to this script, even after a deploy. */
declare const STYLE_FILE: string
declare const FONT_FILE: string

export interface Frame {
  /** The content shown now. */
  readonly main: HTMLElement
  readonly polite: HTMLElement
  readonly assertive: HTMLElement
  /** Replaces the content. */
  put(page: LoadedPage): void
  /** Adopts the colour scheme of the host page. */
  followScheme(): void
}

/** Stylesheet, language and live regions around the content. They replace the slot once the stylesheet has loaded. */
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
    box.style.zoom = String(fontSize(polite) / fontSize(document.documentElement))
  }

  function followScheme(): void {
    if (!isStyled) return
    const { colorScheme } = getComputedStyle(root.host)
    for (const { sheet } of root.querySelectorAll('link')) if (sheet) darken(sheet, colorScheme)
  }

  /** The operator's colours, after those that they replace. */
  function addSiteStyle(path: string): void {
    if (root.querySelector('link[data-site]')) return
    const href = new URL(path, server).href
    const site = make('link', { rel: 'stylesheet', href, crossorigin: '', 'data-site': '' })
    site.onload = followScheme
    box.before(site)
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
      if (page.style) addSiteStyle(page.style)
      // Only now, since the server has answered: a failed stylesheet is not loaded again.
      if (!style.isConnected) root.prepend(style)
    },
    followScheme,
  }
}

/** Adapts content to a host page, which has a main part and a level 1 heading of its own. */
function adapt(page: HTMLElement, server: string): HTMLElement {
  const main = make('div', { id: 'main', tabindex: '-1' })
  holdImages(page)
  main.append(...page.childNodes)
  for (const heading of main.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
    heading.setAttribute('aria-level', String(Number(heading.tagName[1]) + 1))
  }
  for (const form of main.querySelectorAll('form[action]')) makeAbsolute(form, 'action', server)
  for (const link of main.querySelectorAll('a[href]')) {
    makeAbsolute(link, 'href', server)
    link.setAttribute('target', '_blank')
  }
  for (const field of main.querySelectorAll(':is(input, select)[autofocus]'))
    field.removeAttribute('autofocus')
  // Applies to the server's own page only: printing and sharing it, and the advice to keep its address.
  for (const element of main.querySelectorAll(
    '[data-print], [data-share], .share, .aside, section.timeline-box',
  ))
    element.remove()
  return main
}

const makeAbsolute = (element: Element, name: string, server: string): void =>
  element.setAttribute(name, new URL(element.getAttribute(name) ?? '', server).href)

/** The host page may always be light, or always dark, whatever the user prefers: the dark colours follow the host page. */
function darken({ cssRules }: CSSStyleSheet, scheme: string): void {
  const canBeLight = !scheme.includes('dark') || scheme.includes('light')
  const whenDark = canBeLight ? '(prefers-color-scheme: dark)' : 'all'
  for (const rule of cssRules) {
    const isDarkRule = rule instanceof CSSMediaRule && rule.cssText.includes('--accent:')
    if (isDarkRule) rule.media.mediaText = scheme.includes('dark') ? whenDark : 'not all'
  }
}

/** Sizes are in rem, and some host pages shrink the root font. The live regions have the user's own size. */
const fontSize = (element: Element): number => Number.parseFloat(getComputedStyle(element).fontSize)

/** `@font-face` in a shadow tree has no effect: only a document has fonts. */
function addFont(server: string): void {
  if ([...document.fonts].some(({ family }) => family === 'Vazirmatn')) return
  document.fonts.add(new FontFace('Vazirmatn', `url(${server}/assets/${FONT_FILE})`, { weight: '400 700' }))
}

function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string>,
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  return element
}
