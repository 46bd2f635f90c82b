/** The portal's pages: `views/{name}.eta` in a layout marked DEMO; every value is escaped. */
import { join } from 'node:path'
import { Eta } from 'eta'
import type { Response } from 'express'

/** The page shows `text`; programs read `code` from the markup. */
export interface PageError {
  code: string
  text: string
}

/** Renders a page as the response. */
export type Show = (res: Response, view: string, data?: Record<string, unknown>) => void

export function createPageRenderer(): Show {
  const views = new Eta({ views: join(import.meta.dirname, 'views'), cache: true })
  return (res, view, data = {}) => {
    res.type('html').send(views.render(`./${view}`, data))
  }
}
