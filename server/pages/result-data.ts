/**
 * Any JSON that a bot hands over as result, arranged for reading: facts as a definition list, lists of alike objects
 * as tables, the rest nested under headings. Everything stays text; templates escape it.
 */
import type { Texts } from '../../core/texts/index.ts'
import { humanise } from './humanise.ts'

export type ResultNode =
  | { kind: 'text'; text: string; dir: 'auto' | 'ltr' }
  | { kind: 'list'; items: ResultNode[] }
  | { kind: 'table'; columns: string[]; rows: ResultNode[][] }
  | {
      kind: 'group'
      facts: { label: string; value: ResultNode }[]
      sections: { label: string; value: ResultNode }[]
    }

/** Beyond this depth nobody reads tables in tables: the rest is shown as the JSON it is. */
const MAX_DEPTH = 5
/** A table with more columns does not fit a page; its rows are shown one below the other. */
const MAX_COLUMNS = 6

export function arrangeResult(value: unknown, t: Texts['t'], depth = 0): ResultNode {
  if (Array.isArray(value)) return value.length === 0 ? plain(t('result.none')) : arrangeList(value, t, depth)
  if (!isObject(value)) return scalar(value, t)
  if (depth >= MAX_DEPTH) return { kind: 'text', text: JSON.stringify(value), dir: 'ltr' }
  const entries = Object.entries(value).map(([key, part]) => ({
    label: humanise(key),
    value: arrangeResult(part, t, depth + 1),
  }))
  if (entries.length === 0) return plain(t('result.none'))
  return {
    kind: 'group',
    facts: entries.filter((entry) => entry.value.kind === 'text'),
    sections: entries.filter((entry) => entry.value.kind !== 'text'),
  }
}

function arrangeList(list: unknown[], t: Texts['t'], depth: number): ResultNode {
  if (depth >= MAX_DEPTH) return { kind: 'text', text: JSON.stringify(list), dir: 'ltr' }
  const columns = list.every(isFlat) ? [...new Set(list.flatMap((row) => Object.keys(row)))] : []
  if (columns.length === 0 || columns.length > MAX_COLUMNS) {
    return { kind: 'list', items: list.map((item) => arrangeResult(item, t, depth + 1)) }
  }
  return {
    kind: 'table',
    columns: columns.map(humanise),
    rows: (list as Record<string, unknown>[]).map((row) =>
      columns.map((column) =>
        Object.hasOwn(row, column) ? arrangeResult(row[column], t, depth + 1) : plain(''),
      ),
    ),
  }
}

function scalar(value: unknown, t: Texts['t']): ResultNode {
  if (value === null || value === undefined || value === '') return plain(t('result.none'))
  if (typeof value === 'boolean') return plain(t(value ? 'result.yes' : 'result.no'))
  const text = String(value)
  // Numbers, addresses and ids read left to right in any language; people's words find their own way.
  return { kind: 'text', text, dir: /^[\x20-\x7e]*$/.test(text) && /[\d/@]/.test(text) ? 'ltr' : 'auto' }
}

const plain = (text: string): ResultNode => ({ kind: 'text', text, dir: 'auto' })

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isFlat = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && Object.values(value).every((part) => part === null || typeof part !== 'object')
