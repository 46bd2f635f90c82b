/** Values that no definition describes, shown by what they are. */
import { parseResultDate } from '../../core/catalog/result-date.ts'
import { isEmptyValue, isJsonObject, type JsonObject, ownValue } from '../../core/catalog/result-values.ts'
import { humanise } from './humanise.ts'
import { numberFormat } from './number-format.ts'
import { groupOf, plainText, type ResultContext, type ResultNode, textNode } from './result-node.ts'
import { tableOf } from './result-table.ts'

/** Deeper values are shown as JSON: tables nested further are unreadable. */
const MAX_DEPTH = 5
/** A table with more columns does not fit the page; its rows become a list. */
const MAX_COLUMNS = 6
/**
 * Of a table. A result has fewer values, but each row may name others: written out as a table, 130 kB would be a page of
 * 60 MB, and the server would do nothing else for seconds. Beyond it the rows become a list, which has only what is there.
 */
const MAX_CELLS = 50_000

export const fitsTable = (rows: number, columns: number): boolean => rows * columns <= MAX_CELLS

/** Scalars as a definition list, lists of flat objects as tables, the rest nested under headings. */
export function arrangeValue(value: unknown, context: ResultContext, depth = 0): ResultNode {
  if (isEmptyValue(value)) return plainText(context.t('result.none'))
  if (Array.isArray(value)) return arrangeList(value, context, depth)
  if (!isJsonObject(value)) return arrangeScalar(value, context)
  if (depth >= MAX_DEPTH) return { kind: 'text', text: JSON.stringify(value), dir: 'ltr' }
  const entries = Object.entries(value).filter(([, part]) => !isEmptyValue(part))
  if (entries.length === 0) return plainText(context.t('result.none'))
  return groupOf(
    entries.map(([key, part]) => ({ label: humanise(key), value: arrangeValue(part, context, depth + 1) })),
  )
}

function arrangeList(list: unknown[], context: ResultContext, depth: number): ResultNode {
  if (depth >= MAX_DEPTH) return { kind: 'text', text: JSON.stringify(list), dir: 'ltr' }
  const objects = list.every(isFlat) ? list : []
  const names = columnNames(objects)
  if (names.length === 0 || names.length > MAX_COLUMNS || !fitsTable(list.length, names.length))
    return listOf(list, context, depth)
  const columns = names.map((name) => ({ label: humanise(name), isNumeric: isNumericColumn(objects, name) }))
  const rows = objects.map((row) => names.map((name) => arrangeCell(ownValue(row, name), context, depth + 1)))
  return tableOf({ columns, rows }, context)
}

export const listOf = (list: readonly unknown[], context: ResultContext, depth: number): ResultNode => ({
  kind: 'list',
  items: list.map((item) => arrangeValue(item, context, depth + 1)),
})

/** Names whose values are empty in all rows are left out. */
const columnNames = (rows: JsonObject[]): string[] => [
  ...new Set(rows.flatMap((row) => Object.keys(row).filter((name) => !isEmptyValue(row[name])))),
]

/** A cell of a column without a definition. */
export const arrangeCell = (value: unknown, context: ResultContext, depth: number): ResultNode =>
  isEmptyValue(value) ? plainText('') : arrangeValue(value, context, depth)

/** Whether the column has numbers, and nothing else. */
export function isNumericColumn(rows: readonly JsonObject[], name: string): boolean {
  const values = rows.map((row) => ownValue(row, name)).filter((value) => !isEmptyValue(value))
  return values.length > 0 && values.every((value) => typeof value === 'number')
}

function arrangeScalar(value: unknown, { t, locale }: ResultContext): ResultNode {
  if (typeof value === 'boolean') return plainText(t(value ? 'result.yes' : 'result.no'))
  // Digits are grouped from five on: a JSON number is an amount or a year. Codes are strings.
  if (typeof value === 'number') {
    const format = numberFormat(locale, { useGrouping: 'min2', maximumFractionDigits: 20 })
    return { kind: 'number', text: format.format(value), dir: 'ltr', number: value }
  }
  const text = String(value)
  const date = parseResultDate(text)
  if (date) return { kind: 'date', ...date }
  return textNode(text, locale)
}

const isFlat = (value: unknown): value is JsonObject =>
  isJsonObject(value) && Object.values(value).every((part) => part === null || typeof part !== 'object')
