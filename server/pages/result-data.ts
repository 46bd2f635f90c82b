/**
 * Arranges a bot's result, which is any JSON, for reading: scalars as a definition list, lists of flat objects as tables,
 * the rest nested under headings. All values but dates are text, which the templates escape.
 */
import type { Texts } from '../../core/i18n/index.ts'
import { parseResultDate, type ResultDate } from '../../core/catalog/result-date.ts'
import type { ServiceLabels } from './service-titles.ts'

export type ResultNode =
  /** `number`: must not wrap. */
  | { kind: 'text' | 'number'; text: string; dir: 'auto' | 'ltr' }
  | ({ kind: 'date' } & ResultDate)
  | { kind: 'list'; items: ResultNode[] }
  | { kind: 'table'; columns: string[]; rows: ResultNode[][] }
  | {
      kind: 'group'
      facts: { label: string; value: ResultNode }[]
      sections: { label: string; value: ResultNode }[]
    }

export type ResultContext = Pick<Texts, 't' | 'locale'> & Pick<ServiceLabels, 'labelOf'>

/** Deeper values are shown as JSON: tables nested further are unreadable. */
const MAX_DEPTH = 5
/** A table with more columns does not fit the page; its rows become a list. */
const MAX_COLUMNS = 6

export function arrangeResult(value: unknown, context: ResultContext, depth = 0): ResultNode {
  if (Array.isArray(value))
    return value.length === 0 ? plainText(context.t('result.none')) : arrangeList(value, context, depth)
  if (!isObject(value)) return arrangeScalar(value, context)
  if (depth >= MAX_DEPTH) return { kind: 'text', text: JSON.stringify(value), dir: 'ltr' }
  const entries = Object.entries(value).map(([key, part]) => ({
    label: context.labelOf(key),
    value: arrangeResult(part, context, depth + 1),
  }))
  if (entries.length === 0) return plainText(context.t('result.none'))
  return {
    kind: 'group',
    facts: entries.filter((entry) => isFact(entry.value)),
    sections: entries.filter((entry) => !isFact(entry.value)),
  }
}

function arrangeList(list: unknown[], context: ResultContext, depth: number): ResultNode {
  if (depth >= MAX_DEPTH) return { kind: 'text', text: JSON.stringify(list), dir: 'ltr' }
  const columns = list.every(isFlat) ? [...new Set(list.flatMap((row) => Object.keys(row)))] : []
  if (columns.length === 0 || columns.length > MAX_COLUMNS) {
    return { kind: 'list', items: list.map((item) => arrangeResult(item, context, depth + 1)) }
  }
  return {
    kind: 'table',
    columns: columns.map((column) => context.labelOf(column)),
    rows: (list as Record<string, unknown>[]).map((row) =>
      columns.map((column) =>
        Object.hasOwn(row, column) ? arrangeResult(row[column], context, depth + 1) : plainText(''),
      ),
    ),
  }
}

function arrangeScalar(value: unknown, { t, locale }: ResultContext): ResultNode {
  if (value === null || value === undefined || value === '') return plainText(t('result.none'))
  if (typeof value === 'boolean') return plainText(t(value ? 'result.yes' : 'result.no'))
  // Digits are grouped from five on: a JSON number is an amount or a year. Codes are strings.
  if (typeof value === 'number') {
    const format = new Intl.NumberFormat(locale, { useGrouping: 'min2', maximumFractionDigits: 20 })
    return { kind: 'number', text: format.format(value), dir: 'ltr' }
  }
  const text = String(value)
  const date = parseResultDate(text)
  if (date) return { kind: 'date', ...date }
  // Numbers, addresses and ids read left to right in any language; other text has the direction of its own letters.
  return { kind: 'text', text, dir: /^[\x20-\x7e]*$/.test(text) && /[\d/@]/.test(text) ? 'ltr' : 'auto' }
}

const isFact = ({ kind }: ResultNode): boolean => kind === 'text' || kind === 'number' || kind === 'date'

const plainText = (text: string): ResultNode => ({ kind: 'text', text, dir: 'auto' })

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isFlat = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && Object.values(value).every((part) => part === null || typeof part !== 'object')
