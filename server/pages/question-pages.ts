/** The pages that only ask: whether to cancel, whether to delete, for a code on another device. */
import type { Catalog } from '../../core/catalog/catalog.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { createTexts } from '../../core/i18n/index.ts'
import { codeFormModel } from './code-form-model.ts'
import type { PageContext, WritePage } from './page-writer.ts'
import { requestModel } from './request-model.ts'
import { serviceLabels } from './service-titles.ts'

export interface QuestionPages {
  confirmCancel(context: PageContext, view: PublicView): string
  confirmDelete(context: PageContext, view: PublicView): string
  /** The field of the awaited code alone, for another device. It shows nothing of the request. */
  code(context: PageContext, view: PublicView, input: { action: string; problem?: string }): string
  /** What the other device shows afterwards. */
  codeSent(context: PageContext): string
}

export function createQuestionPages({
  write,
  catalog,
  now,
}: {
  write: WritePage
  catalog: Pick<Catalog, 'find'>
  now: () => number
}): QuestionPages {
  function confirm(what: 'cancel' | 'delete', context: PageContext, view: PublicView): string {
    const texts = createTexts(context.locale)
    const request = requestModel(view, catalog.find(view.service_slug), texts, { now: now() })
    return write(what, context, { title: texts.t(`${what}.title`), isPrivate: true }, { request })
  }

  return {
    confirmCancel: (context, view) => confirm('cancel', context, view),
    confirmDelete: (context, view) => confirm('delete', context, view),

    code(context, view, { action, problem }) {
      const texts = createTexts(context.locale)
      const found = catalog.find(view.service_slug)
      const form = codeFormModel(view, found, texts, now(), { problem, focus: true })
      // Another one is requested on the device that shows the request.
      const code = form && { ...form, over: form.over && texts.t('live.code_over_for_good') }
      const shown = texts.t('device.title')
      const title = problem ? texts.t('form.error_title', { title: shown }) : shown
      const { title: service } = serviceLabels(view, found, context.locale)
      return write('code', context, { title, isPrivate: true, script: 'form.js' }, { code, action, service })
    },

    codeSent(context) {
      const title = createTexts(context.locale).t('device.sent_title')
      return write('code-sent', context, { title, isPrivate: true }, {})
    },
  }
}
