/**
 * Redirects addresses that were copied with the character after them: a full stop, a bracket, a quotation mark, a
 * direction mark. The redirect leads to the intended page.
 */
import type { RequestHandler } from 'express'
import type { Catalog } from '../../core/catalog/catalog.ts'
import { isRequestHash } from '../../core/domain/request-id.ts'

export const cutTrailingMarks =
  (catalog: Pick<Catalog, 'find'>): RequestHandler =>
  (req, res, next) => {
    const [, before = '', last = ''] = /^(\/services\/(?:[^/]+\/[^/]+\/)?)([^/]+)$/.exec(req.path) ?? []
    const name = /^([\w-]+)[^\w-]+$/.exec(decoded(last))?.[1]
    const isLooking = req.method === 'GET' || req.method === 'HEAD'
    if (!isLooking || name === undefined || !(isRequestHash(name) || catalog.find(name))) return next()
    res.set('Cache-Control', 'no-store').redirect(303, before + name + req.originalUrl.slice(req.path.length))
  }

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
