/** People with a browser, without the browser: they send a form with their session's cookie, and read pages and states with it. */
import { expect } from 'vitest'
import type { PublicView } from '../../core/domain/record.ts'
import { eventually } from '../helpers/eventually.ts'

export type Kind = 'plain' | 'open' | 'again' | 'fail'

export interface Person {
  slug: string
  mobile: string
  kind: Kind
  hash: string
  cookie: string
}

let people = 0

/** A number that no person of the test has had. */
export const newMobile = (): string => `0912${String(1_000_000 + people++)}`

/** Opens the form at one server and sends it to another one, as a browser behind a proxy does. */
export async function submitForm(
  openedAt: string,
  sentTo: string,
  slug: string,
  kind: Kind,
): Promise<Person> {
  const mobile = newMobile()
  const form = await eventually(async () => {
    const form = await fetch(`${openedAt}/services/${slug}`)
    expect(form.status).toBe(200)
    return form
  })
  const cookie = form.headers
    .getSetCookie()
    .map((each) => each.split(';')[0])
    .join('; ')
  const answer = await fetch(`${sentTo}/services/${slug}`, {
    method: 'POST',
    headers: { cookie },
    body: new URLSearchParams({ mobile, kind }),
    redirect: 'manual',
  })
  expect(answer.status, await answer.text()).toBe(303)
  const hash = /req_[\w-]+/.exec(answer.headers.get('location') ?? '')?.[0] ?? ''
  return { slug, mobile, kind, hash, cookie }
}

export const call = (url: string, { hash, cookie }: Person, what: string, body?: object): Promise<Response> =>
  fetch(`${url}/api/local-requests/${hash}/${what}`, {
    headers: { cookie, 'content-type': 'application/json' },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  })

export async function view(url: string, person: Person): Promise<PublicView> {
  const answer = await call(url, person, 'status')
  expect(answer.status).toBe(200)
  return (await answer.json()) as PublicView
}

export const reaches = (url: string, person: Person, status: PublicView['status']): Promise<PublicView> =>
  eventually(
    async () => {
      const seen = await view(url, person)
      expect(seen.status, JSON.stringify(seen.error_data)).toBe(status)
      return seen
    },
    { everyMs: 50 },
  )

export const openPage = (url: string, { slug, hash, cookie }: Person, name: string): Promise<Response> =>
  fetch(`${url}/services/${slug}/${name}/${hash}`, { headers: { cookie }, redirect: 'manual' })
