/** Renders the template of a page with what every page has: its language, the links to the others, the frame. */
import { textIn } from '../../core/catalog/text.ts'
import { createTexts, type Locale, languages, type Texts } from '../../core/i18n/index.ts'
import { linksIn, type SiteLook } from '../site/site.ts'
import { createHtmlParts, type HtmlParts } from './html-parts.ts'
import { languageLink } from './links.ts'
import { THEME_COLORS } from './site.ts'
import { loadTemplates } from './templates.ts'

/** The language and address a page is rendered for. */
export interface PageContext {
  locale: Locale
  /** The called path and query. */
  address: string
  /** The styles, to be part of the page (server/inline-style.ts); by default the page links their files. */
  css?: string
}

export interface PageFrame {
  title: string
  /** Personal: excluded from search engines. */
  isPrivate?: boolean
  script?: 'form.js' | 'home.js' | 'progress.js' | 'console.js'
  /** A style sheet beside the one of all pages. */
  style?: 'console.css'
  /** Which pages are wide, see public/styles/columns.css. Known from the start of the page, so that nothing jumps while it loads. */
  layout?: 'request' | 'services' | 'console'
  /** The icon of the browser tab; request pages show their state in it. */
  icon?: string
}

export type WritePage = (template: string, context: PageContext, frame: PageFrame, content: object) => string

/**
 * @param options.asset returns the address of a file of `public/dist`
 * @param options.textsOf by default the texts of the pages
 * @param options.templates folders with templates beside those of the pages
 */
export function createPageWriter({
  asset,
  site,
  pushKey,
  textsOf = createTexts,
  templates,
}: {
  asset: (name: string) => string
  /** The operator's own look. */
  site: SiteLook
  /** The key for subscriptions to pushes; undefined where they are off. */
  pushKey?: () => string
  textsOf?: (locale: Locale) => Pick<Texts, 'locale' | 'dir' | 't'>
  templates?: readonly string[]
}): WritePage {
  const render = loadTemplates(templates)
  const parts = new Map<Locale, HtmlParts>()

  return (template, { locale, address, css }, frame, content) => {
    const texts = textsOf(locale)
    const { dir, t } = texts
    if (!parts.has(locale)) parts.set(locale, createHtmlParts(texts, site.timeZone))
    return render(template, {
      isPrivate: false,
      script: null,
      style: null,
      layout: null,
      icon: 'icon',
      ...frame,
      asset,
      css: css ?? null,
      site: { ...site, name: textIn(site.name ?? t('site.name'), locale), links: linksIn(site, locale) },
      themeColors: THEME_COLORS,
      pushKey: pushKey?.(),
      locale,
      dir,
      t,
      languages: [...languages()]
        .filter(([other]) => other !== locale)
        .map(([other, language]) => ({ ...language, locale: other, href: languageLink(address, other) })),
      ...parts.get(locale),
      ...content,
    })
  }
}
