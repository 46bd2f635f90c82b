/** The addresses of the pages, in one place. */
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import type { Locale } from '../../core/i18n/index.ts'

export interface RequestLinks {
  form: string
  /** The form with the submitted values, for the browser that submitted them. */
  again: string
  progress: string
  otp: string
  result: string
  cancel: string
  resend: string
  device: string
  share: string
  unshare: string
  keep: string
  delete: string
  status: string
  download: string
  csv: string
}

export const formLink = (slug: string): string => `/services/${encodeURIComponent(slug)}`

/** The slug for a page's address. A record of another program may have none, or one that cannot be part of an address. */
export const addressableSlug = ({ service_slug: slug }: PublicView): string =>
  /^\.{0,2}$|\p{Surrogate}/u.test(slug) ? 'request' : slug

export function requestLinks(view: PublicView): RequestLinks {
  const form = formLink(addressableSlug(view))
  const api = `/api/local-requests/${view.hash}`
  return {
    form,
    again: `${form}?again=${view.hash}`,
    progress: `${form}/progress/${view.hash}`,
    otp: `${form}/otp/${view.hash}`,
    result: `${form}/result/${view.hash}`,
    cancel: `${form}/cancel/${view.hash}`,
    resend: `${form}/resend-otp/${view.hash}`,
    device: `${form}/device/${view.hash}`,
    share: `${form}/share/${view.hash}`,
    unshare: `${form}/unshare/${view.hash}`,
    keep: `${form}/keep/${view.hash}`,
    delete: `${form}/delete/${view.hash}`,
    status: `${api}/status`,
    download: `${api}/result`,
    csv: `${api}/result.csv`,
  }
}

/** The image at this path of names and indexes in the request's result. */
export const resultImageLink = (view: PublicView, path: readonly string[]): string =>
  `${requestLinks(view).result}/images/${path.map(encodeURIComponent).join('/')}`

/** The file with this id of the request's result. */
export const resultFileLink = (view: PublicView, id: string): string =>
  `${requestLinks(view).result}/files/${encodeURIComponent(id)}`

/** The page of the code, with the link that opens its field on another device. */
export const codeWithDeviceLink = (view: PublicView, token: string): string =>
  `${requestLinks(view).otp}?device=${token}`

/** The page of the result, with a link that only shows it, or where all such links were ended. */
export const resultWithShared = (view: PublicView, token: string | null): string =>
  `${requestLinks(view).result}?shared=${token ?? ''}`

export const codeTokenLink = (token: string): string => `/c/${token}`
/** What the other device shows once it has handed over the code. */
export const CODE_SENT_LINK = '/c/sent'

/** The page of a refused form, with the id of the refusal. */
export const refusedLink = (address: string, id: string): string => `${address}?refused=${id}`

/** The page of the request's current state. */
export function currentPageLink(view: PublicView): string {
  const links = requestLinks(view)
  return isFinal(view.status) ? links.result : links.progress
}

/** The same page, without the refusal of a form. */
export const withoutRefusal = (address: string): string =>
  withQuery(address, (query) => query.delete('refused'))

const COOKIE_MARK = 'cookies'
/** An address with an older mark was reloaded or shared. */
const COOKIE_MARK_TTL_MS = 10_000

/** The age of the mark that the redirect of the cookie check puts into the address. */
export type CookieMark = 'none' | 'fresh' | 'old'

export function cookieMarkOf(address: string, now: number): CookieMark {
  const mark = new URL(address, 'http://any').searchParams.get(COOKIE_MARK)
  if (mark === null) return 'none'
  const ageMs = now - Number(mark)
  return ageMs >= 0 && ageMs < COOKIE_MARK_TTL_MS ? 'fresh' : 'old'
}

/** The same page, marked with the time at which a cookie was set. */
export const withCookieMark = (address: string, now: number): string =>
  withQuery(address, (query) => query.set(COOKIE_MARK, String(now)))

export const withoutCookieMark = (address: string): string =>
  withQuery(address, (query) => query.delete(COOKIE_MARK))

/** The same page in another language: only the query, so that it stays valid when the page's path changes. */
export function languageLink(address: string, locale: Locale): string {
  const query = new URLSearchParams(/\?(.*)$/s.exec(address)?.[1])
  query.set('lang', locale)
  return `?${query}`
}

function withQuery(address: string, change: (query: URLSearchParams) => void): string {
  const { pathname, searchParams: query } = new URL(address, 'http://any')
  change(query)
  return query.size > 0 ? `${pathname}?${query}` : pathname
}
