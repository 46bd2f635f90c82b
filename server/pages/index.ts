/** Each page as a function from its data to HTML. Sets no status or headers and reads no requests. */

import type { Catalog } from '../../core/catalog/catalog.ts'
import type { Service } from '../../core/catalog/service-definition.ts'
import type { AppError } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import type { TimelineEntry } from '../../core/domain/timeline.ts'
import { createTexts, type Texts } from '../../core/i18n/index.ts'
import type { ServicePace } from '../../core/presentation/arrival-text.ts'
import type { LiveControls } from '../../core/store/operator-controls.ts'
import { PLAIN_SITE, type SiteLook } from '../site/site.ts'
import { type CodeFormInput, codeFormModel } from './code-form-model.ts'
import { type DeviceLink, deviceModel } from './device-model.ts'
import { type FormInput, formModel, serviceCard, serviceNotice } from './form-model.ts'
import { outcomeModel } from './outcome-model.ts'
import { ownRequestsModel } from './own-requests-model.ts'
import { createPageWriter, type PageContext, type PageFrame } from './page-writer.ts'
import { problemModel } from './problem-model.ts'
import { createQuestionPages, type QuestionPages } from './question-pages.ts'
import { requestModel } from './request-model.ts'
import { servicePace } from './service-pace.ts'

export type { PageContext }

/** A link that only shows the request. */
export interface SharedLink {
  /** Its address; null once it was ended, and on a page opened without it. */
  href: string | null
  /** Whether others can see the page, by this link or another one. */
  isOpen: boolean
}

export interface RequestPageInput extends CodeFormInput {
  /** Whether the viewer may enter the code and cancel; the page offers both only then. Default: true. */
  mayAct?: boolean
  /** The hash of the request that a failed one was retried as. */
  retriedAs?: string | null
  /** Empty where it could not be read. */
  timeline?: readonly TimelineEntry[]
  /** Whether others can open the page, so that its address is worth sharing. Default: true. */
  isShareable?: boolean
  /** The link that opens the field of the code on another device, once the viewer asked for it. */
  device?: DeviceLink | null
  /** A link that only shows the request, once the viewer asked for it; without an address once it was ended. */
  shared?: SharedLink | null
}

export interface Pages extends QuestionPages {
  /** @param own the requests of the viewer's browser */
  services(context: PageContext, own?: readonly PublicView[]): string
  form(context: PageContext, service: Service, input: FormInput): string
  /** The page of the current state: progress, code or outcome. */
  request(context: PageContext, view: PublicView, input?: RequestPageInput): string
  /** @param slug the service in the address, if any */
  problem(context: PageContext, error: AppError, slug: string | null): string
}

const REQUEST_FRAME = { isPrivate: true, script: 'progress.js', layout: 'request' } as const

export interface PagesOptions {
  catalog: Catalog
  /** What operators set at run time; default: nothing. */
  controls?: Pick<LiveControls, 'current'>
  /** Default: as the definition of the service says. */
  paceOf?: (service: Service | undefined) => ServicePace
  /** How long a record is kept; the form states it. */
  ttlSeconds: number
  /** CONTACT. */
  contact?: string
  /** KEEP_LONGER. */
  keepsLonger?: boolean
  /** Returns the address of a file of `public/dist`. */
  asset?: (name: string) => string
  /** The operator's own look. */
  site?: SiteLook
  /** Milliseconds. */
  now?: () => number
  /** The key with which browsers subscribe to pushes; without it pages notify only while they are open. */
  pushKey?: () => string
}

export function createPages({
  catalog,
  controls,
  paceOf = (service) => servicePace(service, null, { capacityOf: catalog.capacityOf, slotsOf: () => null }),
  ttlSeconds,
  contact,
  keepsLonger = false,
  asset = (name) => `/assets/${name}`,
  site = PLAIN_SITE,
  now = Date.now,
  pushKey,
}: PagesOptions): Pages {
  const write = createPageWriter({ asset, site, pushKey })
  const noticeOf = (service: Service, { t }: Texts) =>
    controls ? serviceNotice(service, controls.current(), t) : null

  return {
    ...createQuestionPages({ write, catalog, now }),

    services(context, views = []) {
      const texts = createTexts(context.locale)
      const title = texts.t('services.title')
      const cards = catalog
        .all()
        .map((service) => serviceCard(service, texts, paceOf(service), noticeOf(service, texts)))
      const own = ownRequestsModel(views, catalog, texts, now())
      return write(
        'services',
        context,
        { title, script: 'home.js', layout: 'services' },
        { heading: title, cards, own, ownSince: lastHalfHour(now()) },
      )
    },

    form(context, service, input) {
      const texts = createTexts(context.locale)
      const form = formModel(service, texts, input, {
        ttlSeconds,
        isSilent: catalog.isSilent(service.slug),
        pace: paceOf(service),
        notice: noticeOf(service, texts),
      })
      const title = form.summary ? texts.t('form.error_title', { title: form.title }) : form.title
      return write('form', context, { title, script: 'form.js' }, { form })
    },

    request(context, view, input = {}) {
      const texts = createTexts(context.locale)
      const service = catalog.find(view.service_slug)
      const request = requestModel(view, service, texts, {
        now: now(),
        pace: paceOf(service),
        timeline: input.timeline,
      })
      const isFinished = view.is_completed || view.is_failed || view.is_cancelled
      const code = codeFormModel(view, service, texts, now(), input)
      const { title: state, icon } = request.description
      const title = input.problem ? texts.t('form.error_title', { title: state }) : state
      const frame: PageFrame = { ...REQUEST_FRAME, title, icon }
      const { mayAct = true, shared = null } = input
      const outcome = isFinished ? outcomeModel(view, service, texts, { ...input, contact }) : null
      const mayKeep = keepsLonger && !view.is_kept
      const device = input.device ? deviceModel(input.device) : null
      return outcome
        ? write('result', context, frame, { request, outcome, mayAct, mayKeep, shared })
        : write('progress', context, frame, { request, code, device, mayAct })
    },

    problem(context, error, slug) {
      const texts = createTexts(context.locale)
      const problem = problemModel(error, texts, slug && catalog.find(slug) ? slug : null, context.address)
      return write('problem', context, { title: problem.title, isPrivate: true }, { problem })
    },
  }
}

/** The day of the page that shows a list: a list with the same requests stays the same for so long. */
const lastHalfHour = (now: number): string => new Date(now - (now % 1_800_000)).toISOString()
