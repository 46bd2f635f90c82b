/** Each page as a function from its data to HTML. Sets no status or headers and reads no requests. */

import type { Catalog } from '../../core/catalog/catalog.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import type { AppError } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { createTexts, type Locale, languages } from '../../core/i18n/index.ts'
import { type CodeFormInput, codeFormModel } from './code-form-model.ts'
import { type FormInput, formModel, serviceCard } from './form-model.ts'
import { createHtmlParts, type HtmlParts } from './html-parts.ts'
import { languageLink } from './links.ts'
import { outcomeModel } from './outcome-model.ts'
import { problemModel } from './problem-model.ts'
import { requestModel } from './request-model.ts'
import { loadTemplates } from './templates.ts'

/** The language and address a page is rendered for. */
export interface PageContext {
  locale: Locale
  /** The called path and query. */
  address: string
}

export interface RequestPageInput extends CodeFormInput {
  /** Whether the viewer may enter the code and cancel; the page offers both only then. Default: true. */
  mayAct?: boolean
  /** The hash of the request that a failed one was retried as. */
  retriedAs?: string | null
}

export interface Pages {
  services(context: PageContext): string
  form(context: PageContext, service: Service, input: FormInput): string
  /** The page of the current state: progress, code or outcome. */
  request(context: PageContext, view: PublicView, input?: RequestPageInput): string
  confirmCancel(context: PageContext, view: PublicView): string
  /** @param slug the service in the address, if any */
  problem(context: PageContext, error: AppError, slug: string | null): string
}

interface Frame {
  title: string
  /** Personal: excluded from search engines. */
  isPrivate?: boolean
  script?: 'form.js' | 'progress.js'
  /** The icon of the browser tab; request pages show their state in it. */
  icon?: string
}

export interface PagesOptions {
  catalog: Catalog
  /** How long a record is kept; the form states it. */
  ttlSeconds: number
  /** Returns the address of a file of `public/dist`. */
  asset?: (name: string) => string
  /** Milliseconds. */
  now?: () => number
}

export function createPages({
  catalog,
  ttlSeconds,
  asset = (name) => `/assets/${name}`,
  now = Date.now,
}: PagesOptions): Pages {
  const render = loadTemplates()
  const parts = new Map<Locale, HtmlParts>()

  function write(template: string, { locale, address }: PageContext, frame: Frame, content: object): string {
    const texts = createTexts(locale)
    const { dir, t } = texts
    if (!parts.has(locale)) parts.set(locale, createHtmlParts(texts))
    return render(template, {
      isPrivate: false,
      script: null,
      icon: 'icon',
      ...frame,
      asset,
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

  return {
    services(context) {
      const texts = createTexts(context.locale)
      const title = texts.t('services.title')
      const cards = catalog.all().map((service) => serviceCard(service, texts))
      return write('services', context, { title }, { heading: title, cards })
    },

    form(context, service, input) {
      const texts = createTexts(context.locale)
      const form = formModel(service, texts, input, {
        ttlSeconds,
        isSilent: catalog.isSilent(service.slug),
      })
      const title = form.summary ? texts.t('form.error_title', { title: form.title }) : form.title
      return write('form', context, { title, script: 'form.js' }, { form })
    },

    request(context, view, input = {}) {
      const texts = createTexts(context.locale)
      const service = catalog.find(view.service_slug)
      const request = requestModel(view, service, texts, now())
      const isFinished = view.is_completed || view.is_failed || view.is_cancelled
      const code = codeFormModel(view, service, texts, now(), input)
      const title = input.problem
        ? texts.t('form.error_title', { title: request.description.title })
        : request.description.title
      const { icon } = request.description
      const frame: Frame = { title, icon, isPrivate: true, script: 'progress.js' }
      return isFinished
        ? write('result', context, frame, { request, outcome: outcomeModel(view, service, texts, input) })
        : write('progress', context, frame, { request, code, mayAct: input.mayAct ?? true })
    },

    confirmCancel(context, view) {
      const texts = createTexts(context.locale)
      const service = catalog.find(view.service_slug)
      const request = requestModel(view, service, texts, now())
      return write('cancel', context, { title: texts.t('cancel.title'), isPrivate: true }, { request })
    },

    problem(context, error, slug) {
      const texts = createTexts(context.locale)
      const problem = problemModel(error, texts, slug && catalog.find(slug) ? slug : null, context.address)
      return write('problem', context, { title: problem.title, isPrivate: true }, { problem })
    },
  }
}
