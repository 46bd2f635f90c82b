/** The parts of a shown result, and plain values, which no definition describes, as such parts. */
import { parseResultDate, type ResultDate } from '../../core/catalog/result-date.ts'
import { isEmptyValue, isJsonObject, type JsonObject } from '../../core/catalog/result-values.ts'
import type { Texts } from '../../core/i18n/index.ts'
import { humanise } from './humanise.ts'
import { numberFormat } from './number-format.ts'

/** All values but dates are text, which the templates escape. */
export type ResultNode =
  /** `number`: must not wrap. */
  | { kind: 'text' | 'number'; text: string; dir: Direction }
  | ({ kind: 'date' } & ResultDate)
  /** Without `href` it is only text. `note` follows it. */
  | {
      kind: 'link'
      text: string
      href: string | null
      isDownload?: boolean
      note: string | null
      dir: Direction
    }
  | { kind: 'image'; src: string; alt: string }
  | { kind: 'list'; items: ResultNode[] }
  | { kind: 'table'; columns: ResultColumn[]; rows: ResultNode[][] }
  | { kind: 'group'; facts: LabelledNode[]; sections: LabelledNode[] }

type Direction = 'auto' | 'ltr' | 'rtl'
export type ResultColumn = { label: string; isNumeric: boolean }
export type LabelledNode = { label: string; value: ResultNode }

export type ResultContext = Pick<Texts, 't' | 'locale'>

/** Deeper values are shown as JSON: tables nested further are unreadable. */
const MAX_DEPTH = 5
/** A table with more columns does not fit the page; its rows become a list. */
const MAX_COLUMNS = 6

/** Scalars as a definition list, lists of flat objects as tables, the rest nested under headings. */
export function arrangeValue(value: unknown, context: ResultContext, depth = 0): ResultNode {
  if (isEmptyValue(value)) return plainText(context.t('result.none'))
  if (Array.isArray(value)) return arrangeList(value, context, depth)
  if (!isJsonObject(value)) return arrangeScalar(value, context)
  if (depth >= MAX_DEPTH) return { kind: 'text', text: JSON.stringify(value), dir: 'ltr' }
  return groupOf(
    Object.entries(value).map(([key, part]) => ({
      label: humanise(key),
      value: arrangeValue(part, context, depth + 1),
    })),
  )
}

/** Values that fit into a line come first, the others follow under headings. */
export const groupOf = (entries: LabelledNode[]): ResultNode => ({
  kind: 'group',
  facts: entries.filter((entry) => isFact(entry.value)),
  sections: entries.filter((entry) => !isFact(entry.value)),
})

function arrangeList(list: unknown[], context: ResultContext, depth: number): ResultNode {
  if (depth >= MAX_DEPTH) return { kind: 'text', text: JSON.stringify(list), dir: 'ltr' }
  const columns = list.every(isFlat) ? [...new Set(list.flatMap((row) => Object.keys(row)))] : []
  if (columns.length === 0 || columns.length > MAX_COLUMNS) {
    return { kind: 'list', items: list.map((item) => arrangeValue(item, context, depth + 1)) }
  }
  return {
    kind: 'table',
    columns: columns.map((column) => ({ label: humanise(column), isNumeric: false })),
    rows: (list as JsonObject[]).map((row) =>
      columns.map((column) =>
        Object.hasOwn(row, column) ? arrangeValue(row[column], context, depth + 1) : plainText(''),
      ),
    ),
  }
}

function arrangeScalar(value: unknown, { t, locale }: ResultContext): ResultNode {
  if (typeof value === 'boolean') return plainText(t(value ? 'result.yes' : 'result.no'))
  // Digits are grouped from five on: a JSON number is an amount or a year. Codes are strings.
  if (typeof value === 'number') {
    const format = numberFormat(locale, { useGrouping: 'min2', maximumFractionDigits: 20 })
    return { kind: 'number', text: format.format(value), dir: 'ltr' }
  }
  const text = String(value)
  const date = parseResultDate(text)
  if (date) return { kind: 'date', ...date }
  return textNode(text)
}

/** Numbers, addresses and ids read left to right in any language; other text has the direction of its own letters. */
export const textNode = (text: string): ResultNode => ({
  kind: 'text',
  text,
  dir: /^[\x20-\x7e]*$/.test(text) && /[\d/@]/.test(text) ? 'ltr' : 'auto',
})

export const plainText = (text: string): ResultNode => ({ kind: 'text', text, dir: 'auto' })

const isFact = ({ kind }: ResultNode): boolean => !['list', 'table', 'group'].includes(kind)

const isFlat = (value: unknown): value is JsonObject =>
  isJsonObject(value) && Object.values(value).every((part) => part === null || typeof part !== 'object')
