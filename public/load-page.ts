/** The server's page for what is known by now, to be put in the place of the one shown, without a reload. */
import { languageOf } from './page-data.ts'

export interface LoadedPage {
  /** Where it was found in the end. */
  address: string
  status: number
  title: string
  /** As the server wrote it. */
  lang: string
  dir: string
  main: HTMLElement
  /** What stands around it, by selector. */
  around: [string, Element][]
}

const AROUND = ['.skip', '.site-header', '.site-footer']

/** @returns null when it could not be had and should be tried again */
export async function loadPage(
  address: string,
  headers: Record<string, string> = {},
): Promise<LoadedPage | null> {
  try {
    const answer = await fetch(address, { headers: { Accept: 'text/html', ...headers }, cache: 'no-store' })
    // What passes by itself is better waited for; that it is gone, unknown or somebody else's is worth showing.
    if (!answer.ok && ![403, 404, 410].includes(answer.status)) return null
    return await readAnswer(answer)
  } catch {
    return null
  }
}

/** @returns null when it is no page of ours */
export async function readAnswer(answer: Response): Promise<LoadedPage | null> {
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
  const main = page.getElementById('main')
  const { dir } = page.documentElement
  return (
    main && {
      address: answer.url,
      status: answer.status,
      title: page.title,
      lang: languageOf(page.documentElement),
      dir,
      main: document.adoptNode(main),
      around: AROUND.flatMap((name): [string, Element][] => {
        const part = page.querySelector(name)
        return part ? [[name, document.adoptNode(part)]] : []
      }),
    }
  )
}
