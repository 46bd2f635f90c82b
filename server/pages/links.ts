/** The addresses of the pages, in one place. */
import { isFinal, type PublicView } from '../../core/record.ts'

export interface RequestLinks {
  form: string
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
export const shownSlug = ({ service_slug: slug }: PublicView): string =>
  /^\.{0,2}$|\p{Surrogate}/u.test(slug) ? 'request' : slug

export function requestLinks(view: PublicView): RequestLinks {
  const form = formLink(shownSlug(view))
  const api = `/api/local-requests/${view.hash}`
  return {
    form,
    progress: `${form}/progress/${view.hash}`,
    otp: `${form}/otp/${view.hash}`,
    result: `${form}/result/${view.hash}`,
    cancel: `${form}/cancel/${view.hash}`,
    resend: `${form}/resend-otp/${view.hash}`,
    status: `${api}/status`,
    download: `${api}/result`,
  }
}

/** Where a request in this state is shown. */
export function fittingLink(view: PublicView): string {
  const links = requestLinks(view)
  return isFinal(view.status) ? links.result : links.progress
}
