/** Loads a page of the server to replace the shown one without a reload. */
import { serverLanguage } from './page-data.ts'

export interface LoadedPage {
  /** After redirects. */
  address: string
  status: number
  title: string
  /** The server's, not one that a translating browser has set. */
  lang: string
  dir: string
  /** The path of the operator's style sheet. */
  style: string | null
  /** Still of its own document, where no image loads. */
  main: HTMLElement
  /** The parts around it, by selector. */
  around: [string, Element][]
}

const AROUND = ['.skip', '.site-header', '.site-footer']

/** @returns null when that failed and should be tried again */
export async function loadPage(
  address: string,
  headers: Record<string, string> = {},
): Promise<LoadedPage | null> {
  try {
    const response = await fetch(address, { headers: { Accept: 'text/html', ...headers }, cache: 'no-store' })
    // Temporary errors are retried. The pages of a foreign, unknown or expired request are shown.
    if (!response.ok && ![403, 404, 410].includes(response.status)) return null
    return await readPageResponse(response)
  } catch {
    return null
  }
}

/** @returns null when it is not a page of the server */
export async function readPageResponse(response: Response): Promise<LoadedPage | null> {
  const page = new DOMParser().parseFromString(await response.text(), 'text/html')
  const main = page.getElementById('main')
  const { dir } = page.documentElement
  return (
    main && {
      address: response.url,
      status: response.status,
      title: page.title,
      lang: serverLanguage(page.documentElement),
      dir,
      style: page.querySelector('link[data-site]')?.getAttribute('href') ?? null,
      main,
      around: AROUND.flatMap((name): [string, Element][] => {
        const part = page.querySelector(name)
        return part ? [[name, part]] : []
      }),
    }
  )
}
