/**
 * The language of a response: the one in the address (`?lang=fa`), else the one chosen earlier (a cookie), else the one
 * preferred in Accept-Language. Derived from the call alone, so that the error handler knows it whatever middleware ran.
 */
import type { NextFunction, Request, Response } from 'express'
import { type Locale, languages } from '../../core/i18n/index.ts'
import type { PageContext } from '../pages/index.ts'

const COOKIE = 'halfway_lang'
const STORED_LOCALE = new RegExp(`(?:^|;\\s*)${COOKIE}=([a-z0-9-]+)(?:;|$)`)
const YEAR_MS = 365 * 24 * 3600 * 1000

export const localeOf = (req: Request): Locale =>
  offeredLocale(req.query.lang) ??
  offeredLocale(STORED_LOCALE.exec(req.headers.cookie ?? '')?.[1]) ??
  (req.acceptsLanguages(...languages().keys()) || ([...languages().keys()][0] as Locale))

/** The pages' own addresses are shorter; a longer one is not repeated on the page. */
const MAX_ADDRESS_CHARACTERS = 2_000

export const pageContext = (req: Request): PageContext => ({
  locale: localeOf(req),
  address: req.originalUrl.length > MAX_ADDRESS_CHARACTERS ? '/' : req.originalUrl,
})

/** Keeps caches from serving a response in the wrong language. */
export function setLocaleHeaders(req: Request, res: Response): void {
  res.vary('Accept-Language, Cookie').set('Content-Language', localeOf(req))
}

/** For pages: stores a language from the address in the cookie. */
export function persistLocale(req: Request, res: Response, next: NextFunction): void {
  setLocaleHeaders(req, res)
  const requested = offeredLocale(req.query.lang)
  if (requested) {
    res.cookie(COOKIE, requested, {
      httpOnly: true,
      sameSite: 'lax',
      secure: req.secure,
      path: '/',
      maxAge: YEAR_MS,
    })
  }
  next()
}

const offeredLocale = (locale: unknown): Locale | undefined =>
  typeof locale === 'string' && languages().has(locale) ? locale : undefined
