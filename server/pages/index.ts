/** Every page as a function of what it shows. Writes HTML only: no status, no headers, no reading of requests. */
import type { AppError } from '../../core/errors.ts'
import type { PublicView } from '../../core/record.ts'
import { allServices } from '../../core/services/index.ts'
import type { Service } from '../../core/services/service.ts'
import { createTexts, type Locale, type Texts } from '../../core/texts/index.ts'
import { type FormInput, formModel, serviceCard } from './form-model.ts'
import { createHtmlParts, type HtmlParts } from './html-parts.ts'
import { type ProblemPlace, problemModel } from './problem-model.ts'
import { type CodeFormInput, codeFormModel, endModel, requestModel } from './request-model.ts'
import { loadTemplates } from './templates.ts'

export interface Pages {
  services(locale: Locale): string
  form(locale: Locale, service: Service, input: FormInput): string
  /** The page that fits the state: progress, code or outcome. */
  request(locale: Locale, view: PublicView, code?: CodeFormInput): string
  confirmCancel(locale: Locale, view: PublicView): string
  problem(locale: Locale, error: AppError, place: ProblemPlace): string
}

interface Frame {
  title: string
  /** Of one person only: not for search engines. */
  isPrivate?: boolean
  script?: 'form.js' | 'progress.js'
}

export interface PagesOptions {
  /** How long a record is kept, as the form promises. */
  ttlSeconds: number
  /** Where `public/dist` is served. */
  assets?: string
  /** Milliseconds. */
  now?: () => number
}

export function createPages({ ttlSeconds, assets = '/assets', now = Date.now }: PagesOptions): Pages {
  const render = loadTemplates()
  const parts = new Map<Locale, HtmlParts>()

  function write(template: string, texts: Texts, frame: Frame, content: object): string {
    const { locale, dir, t } = texts
    if (!parts.has(locale)) parts.set(locale, createHtmlParts(texts))
    return render(template, {
      isPrivate: false,
      script: null,
      ...frame,
      assets,
      locale,
      dir,
      t,
      ...parts.get(locale),
      ...content,
    })
  }

  return {
    services(locale) {
      const texts = createTexts(locale)
      const title = texts.t('services.title')
      const cards = allServices().map((service) => serviceCard(service, texts))
      return write('services', texts, { title }, { heading: title, cards })
    },

    form(locale, service, input) {
      const texts = createTexts(locale)
      const form = formModel(service, texts, input, ttlSeconds)
      const title = form.summary.length > 0 ? texts.t('form.error_title', { title: form.title }) : form.title
      return write('form', texts, { title, script: 'form.js' }, { form })
    },

    request(locale, view, input = {}) {
      const texts = createTexts(locale)
      const request = requestModel(view, texts, now())
      const isOver = view.is_completed || view.is_failed || view.is_cancelled
      const code = codeFormModel(view, texts, now(), input)
      const title = input.problem
        ? texts.t('form.error_title', { title: request.described.title })
        : request.described.title
      const frame: Frame = { title, isPrivate: true, script: 'progress.js' }
      return isOver
        ? write('result', texts, frame, { request, end: endModel(view, texts) })
        : write('progress', texts, frame, { request, code })
    },

    confirmCancel(locale, view) {
      const texts = createTexts(locale)
      const request = requestModel(view, texts, now())
      return write('cancel', texts, { title: texts.t('cancel.title'), isPrivate: true }, { request })
    },

    problem(locale, error, place) {
      const texts = createTexts(locale)
      const problem = problemModel(error, texts, place)
      return write('problem', texts, { title: problem.title, isPrivate: true }, { problem })
    },
  }
}
