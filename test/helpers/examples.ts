/** The examples may be removed; documents that point to them are still right where they are. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const EXAMPLES = 'bots/examples'
const haveExamples = existsSync(fileURLToPath(new URL(`../../${EXAMPLES}`, import.meta.url)))

/** @param path from the project's root */
export const isRemovedExample = (path: string): boolean => !haveExamples && path.startsWith(EXAMPLES)
