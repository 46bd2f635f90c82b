/**
 * The tables of a result as one CSV file (RFC 4180), for spreadsheets: numbers and dates as they are in JSON, everything else
 * in the words of the page. Several tables share one header; their columns of the same name are one.
 */
import type { Texts } from '../../core/i18n/index.ts'
import type { ResultNode, ResultTable } from './result-node.ts'

/** Spreadsheets read UTF-8 only with it. */
const BYTE_ORDER_MARK = '\ufeff'
/** A cell that starts like this is a formula to spreadsheets. */
const FORMULA_START = /^[=+\-@\t\r\n＝＋－＠]/
const PLAIN_NUMBER = /^[+-]?\d+(\.\d+)?$/

/** Of tables that share a header. Most would be empty. */
const MAX_CELLS = 200_000

type Row = ReadonlyMap<string, string | number>
interface NamedRows {
  label: string
  names: string[]
  rows: Row[]
}

export const hasTable = (result: ResultNode | null): boolean =>
  result !== null && tablesIn(result, '').length > 0

/** @returns null for a result without a table */
export function resultCsv(result: ResultNode | null, t: Texts['t']): string | null {
  const tables = (result === null ? [] : tablesIn(result, t('result.result'))).map(({ label, table }) => ({
    label,
    names: [...groupNames(table), ...columnNames(table)],
    rows: rowsOf(table),
  }))
  if (tables.length === 0) return null
  const names = new Set(tables.flatMap((table) => table.names))
  const isSmall = names.size * tables.flatMap(({ rows }) => rows).length <= MAX_CELLS
  const kind = tables.length === 1 ? null : t('result.table')
  const lines = (isSmall ? [tables] : tables.map((table) => [table])).flatMap((some) => linesOf(some, kind))
  return BYTE_ORDER_MARK + lines.map((cells) => `${cells.map(toCell).join(',')}\r\n`).join('')
}

/** Of tables with one header. @param kind the head of the column that names the table; null for none */
function linesOf(tables: readonly NamedRows[], kind: string | null): (string | number)[][] {
  const names = [...new Set(tables.flatMap((table) => table.names))]
  const rows = tables.flatMap(({ label, rows }) =>
    rows.map((row) => [...(kind === null ? [] : [label]), ...names.map((name) => row.get(name) ?? '')]),
  )
  return [[...(kind === null ? [] : [kind]), ...names], ...rows]
}

function tablesIn(node: ResultNode, label: string): { label: string; table: ResultTable }[] {
  if (node.kind === 'table') return [{ label, table: node }]
  if (node.kind === 'list') return node.items.flatMap((item) => tablesIn(item, label))
  if (node.kind !== 'group') return []
  return node.sections.flatMap((section) => tablesIn(section.value, section.label))
}

function rowsOf(table: ResultTable): Row[] {
  const names = columnNames(table)
  return table.groups.flatMap(({ label, rows }) =>
    rows.map(({ cells }) => {
      const row = new Map(cells.map((cell, i) => [names[i]!, cellOf(cell, table.columns[i]!.unit !== null)]))
      return label ? row.set(label.label, cellOf(label.value)) : row
    }),
  )
}

const groupNames = ({ groups }: ResultTable): string[] =>
  groups.flatMap(({ label }) => (label ? [label.label] : []))

/** With the units, and different for each column. */
function columnNames({ columns }: ResultTable): string[] {
  const names = columns.map(({ label, unit }) => (unit ? `${label} (${unit})` : label))
  return names.map((name, i) => {
    const before = names.slice(0, i).filter((other) => other === name).length
    return before === 0 ? name : `${name} ${before + 1}`
  })
}

function cellOf(node: ResultNode, isNumeric = true): string | number {
  switch (node.kind) {
    case 'text':
    case 'number':
      return (isNumeric ? node.number : undefined) ?? node.text
    case 'date':
      return node.iso
    case 'link':
      return node.text
    case 'image':
      return node.alt
    case 'list':
      return node.items.map((item) => cellOf(item)).join('; ')
    case 'table':
      return node.groups
        .flatMap(({ rows }) => rows.map(({ cells }) => cells.map((item) => cellOf(item)).join(', ')))
        .join('; ')
    case 'group':
      return [...node.facts, ...node.sections]
        .map(({ label, value }) => `${label}: ${cellOf(value)}`)
        .join('; ')
  }
}

function toCell(value: string | number): string {
  const text = String(value)
  const isFormula = typeof value === 'string' && FORMULA_START.test(text) && !PLAIN_NUMBER.test(text)
  const safe = isFormula ? `'${text}` : text
  return /[",\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
