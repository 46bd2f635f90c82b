/**
 * The fenced blocks of README.md and docs/, which the tests run. A block of a whole file begins with a comment that has its
 * path; docs/examples/ has a copy of each for the compiler (`npx vitest run --project fast test/docs -u` renews the copies). An
 * HTML comment in the line before a block says what a test needs to know: `not run: reason`, `from: path` (an excerpt of that
 * file), `needs: program`, `repeat until: text`.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')

export interface Block {
  document: string
  /** Of its first line of code, from 1. */
  line: number
  language: string
  text: string
  /** Where the first line says that the code belongs; null for a fragment. */
  path: string | null
  /** What the HTML comment before it says; empty without one. */
  note: string
}

export const DOCUMENTS = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

export function blocksOf(document: string): Block[] {
  const text = read(document)
  const fences = text.matchAll(/^(?:<!-- (.*) -->\n)?```(\w*)\n([\s\S]*?)^```$/gm)
  return [...fences].map(({ 0: whole, 1: note = '', 2: language = '', 3: code = '', index }) => ({
    document,
    line: text.slice(0, index + whole.indexOf('```')).split('\n').length + 1,
    language,
    text: code,
    path: /^(?:\/\/|#) (\S+\.\w+)\n/.exec(code)?.[1] ?? null,
    note,
  }))
}

/** The value of `name: value` in a block's note. */
export const noteOf = ({ note }: Block, name: string): string | null =>
  note.startsWith(`${name}: `) ? note.slice(name.length + 2) : null

/** Every documented file by its path. */
export const documentedFiles = (): Map<string, string> =>
  new Map(
    DOCUMENTS.flatMap(blocksOf).flatMap(({ path, text }): [string, string][] => (path ? [[path, text]] : [])),
  )

/** The values of these keys are compared; of all others only the type, and the form of text. */
const EXACT = new Set(['status', 'code', 'accepted', 'refused', 'index', 'version', 'retryable'])
const FORMS = [/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, /^\d{6}$/]

/** Where an answer is not of the documented shape; the document may leave fields out, but names none that are not there. */
export function differences(documented: unknown, actual: unknown, at = ''): string[] {
  const differs = [`${at || 'the answer'} is ${JSON.stringify(actual)}, not ${JSON.stringify(documented)}`]
  if (Array.isArray(documented)) {
    if (!Array.isArray(actual)) return differs
    return documented.flatMap((value, i) => differences(value, actual[i], `${at}[${i}]`))
  }
  if (documented !== null && typeof documented === 'object') {
    if (actual === null || typeof actual !== 'object') return differs
    return Object.entries(documented).flatMap(([key, value]) =>
      differences(value, (actual as Record<string, unknown>)[key], `${at}.${key}`),
    )
  }
  if (typeof documented !== typeof actual) return differs
  if (typeof documented !== 'string') {
    const isExact = EXACT.has(at.slice(at.lastIndexOf('.') + 1)) || typeof documented !== 'number'
    return isExact && documented !== actual ? differs : []
  }
  const form =
    FORMS.find((pattern) => pattern.test(documented)) ??
    new RegExp(`^${documented.split('…').map(escaped).join('[^]*')}$`)
  return form.test(actual as string) ? [] : differs
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
