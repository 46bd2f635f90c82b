/** `GET …/result.csv`: the tables of a result, in the language of the call. */
import type { RequestHandler } from 'express'
import type { RequestActions } from '../../core/actions/request-actions.ts'
import type { Catalog } from '../../core/catalog/catalog.ts'
import { AppError } from '../../core/domain/errors.ts'
import type { PublicView } from '../../core/domain/record.ts'
import { fileNameOf } from '../../core/domain/short-reference.ts'
import { createTexts } from '../../core/i18n/index.ts'
import { localeOf, setLocaleHeaders } from '../middleware/locale.ts'
import { arrangeOutcome } from '../pages/outcome-model.ts'
import { resultCsv } from '../pages/result-csv.ts'

/** @throws AppError `not_completed`; `not_found` where the result has no table */
export const createResultCsv =
  ({ catalog, requests }: { catalog: Catalog; requests: RequestActions }): RequestHandler =>
  async (req, res) => {
    const view = requireCompleted(await requests.view(String(req.params.hash)))
    const texts = createTexts(localeOf(req))
    const csv = resultCsv(arrangeOutcome(view, catalog.find(view.service_slug), texts).rest, texts.t)
    if (csv === null) throw new AppError('not_found', { detail: 'The result has no table.' })
    setLocaleHeaders(req, res)
    res
      .set('Cache-Control', 'no-store')
      .attachment(`${fileNameOf(view)}.csv`)
      .setHeader('Content-Type', 'text/csv; charset=utf-8; header=present')
    res.send(Buffer.from(csv))
  }

/** @throws AppError `not_completed` */
export function requireCompleted(view: PublicView): PublicView {
  if (!view.is_completed) throw new AppError('not_completed', { detail: `The request is ${view.status}.` })
  return view
}
