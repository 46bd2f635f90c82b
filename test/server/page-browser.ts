/** A browser without script: gets pages, keeps its cookie, and sends forms as browsers do over plain http. */
import { type CheerioAPI, load } from 'cheerio'
import supertest from 'supertest'

export const HTML = 'text/html,application/xhtml+xml,*/*;q=0.8'

export type Browser = ReturnType<typeof openBrowser>

export function openBrowser(address: string, headers: Record<string, string> = {}) {
  const agent = supertest.agent(address).set('Accept', HTML).set(headers)
  const get = (path: string) => agent.get(path)
  const post = (path: string, fields: string | object = {}) =>
    agent.post(path).type('form').set('Origin', address).send(fields)
  return {
    get,
    head: (path: string) => agent.head(path),
    post,
    /** Sends a form that is refused and follows the redirect. */
    refused: (path: string, fields?: string | object) => post(path, fields).redirects(1),
    /** Gets the page at this address, following redirects; expects 200. */
    open: async (path: string): Promise<CheerioAPI> => load((await get(path).redirects(2).expect(200)).text),
  }
}

/** The visible text. */
export const textOf = ($: CheerioAPI, selector: string): string =>
  $(selector).text().replace(/\s+/g, ' ').trim()

/** The address of a request's page; the default service is that of the test records. */
export const at = (page: string, hash: string, slug = 'test-service'): string =>
  `/services/${slug}/${page}/${hash}`
