/** The addresses of the pages, in one place. */
import { isFinal, type PublicView } from '../../core/domain/record.ts'
import type { Locale } from '../../core/i18n/index.ts'

export interface RequestLinks {
  form: string
  /** The form with what was typed, for the browser that sent it. */
  again: string
  progress: string
  otp: string
  result: string
  cancel: string
  resend: string
  status: string
  download: string
}

export const formLink = (slug: string): string => `/services/${encodeURIComponent(slug)}`

/** A record of another program may name no service at all, or none that an address can hold; its page needs one. */
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
    status: `${api}/status`,
    download: `${api}/result`,
  }
}

/** The page of a form that was refused, where it says so. */
export const refusedLink = (address: string, id: string): string => `${address}?refused=${id}`

/** Where a request in this state is shown. */
export function currentPageLink(view: PublicView): string {
  const links = requestLinks(view)
  return isFinal(view.status) ? links.result : links.progress
}

/** The same page, without why a form was refused. */
export const withoutRefusal = (address: string): string =>
  withQuery(address, (query) => query.delete('refused'))

const COOKIE_MARK = 'cookies'
/** An address with an older mark was reloaded or passed on. */
const COOKIE_MARK_TTL_MS = 10_000

/** When the answer before this call set a cookie and led here. */
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

/** The same page in another language: its query alone, so that it fits whatever address the page has by then. */
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
