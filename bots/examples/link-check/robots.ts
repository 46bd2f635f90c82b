/** What the robots.txt of each server allows (RFC 9309), read once for a run. */
import robotsParser from 'robots-parser'

export interface Robots {
  allows(url: string): Promise<boolean>
}

/** Its types are those of an ES module, and it is none. */
const parseRobots = robotsParser as unknown as typeof robotsParser.default

type Rules = (url: string) => boolean
const ALL: Rules = () => true
const NONE: Rules = () => false

/** @param read reads a text, following redirects; the status is null when no answer came, the text when there was none */
export function createRobots(
  read: (url: string) => Promise<{ status: number | null; text: string | null }>,
  userAgent: string,
): Robots {
  const rulesOf = new Map<string, Promise<Rules>>()

  async function readRules(origin: string): Promise<Rules> {
    const address = `${origin}/robots.txt`
    const { status, text } = await read(address)
    // No answer: the call itself shows why.
    if (status === null) return ALL
    if (status >= 500) return NONE
    if (text === null) return ALL
    const robots = parseRobots(address, text)
    return (url) => robots.isAllowed(url, userAgent) !== false
  }

  return {
    async allows(url) {
      const { origin } = new URL(url)
      const rules = rulesOf.get(origin) ?? readRules(origin)
      rulesOf.set(origin, rules)
      return (await rules)(url)
    },
  }
}
