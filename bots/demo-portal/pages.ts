/** The portal's pages: `views/{name}.eta` in one layout that says DEMO; every value is escaped. */
import { join } from 'node:path'
import { Eta } from 'eta'
import type { Response } from 'express'

/** An error as a page tells it; programs read `code` from the markup. */
export interface PageError {
  code: string
  text: string
}

/** Answers with a page. */
export type Show = (res: Response, view: string, data?: Record<string, unknown>) => void

export function createPages(): Show {
  const views = new Eta({ views: join(import.meta.dirname, 'views'), cache: true })
  return (res, view, data = {}) => {
    res.type('html').send(views.render(`./${view}`, data))
  }
}
