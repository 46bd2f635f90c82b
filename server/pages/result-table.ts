/** A table of a result: its rows in groups, of which the page first shows only some, and the line that is drawn of them. */
import { numberFormat } from './number-format.ts'
import {
  headingOf, type LabelledNode, type ResultColumn, type ResultContext, type ResultNode, type ResultTable, type TableColumn,
} from './result-node.ts' // biome-ignore format: a list
import { type PlotAxes, plotOf } from './result-plot.ts'

/** A printed page shows all. */
const SHOWN_ROWS = 20

export interface TableParts {
  columns: ResultColumn[]
  rows: ResultNode[][]
  /** The index of the column that groups the rows, which is shown once for each group. */
  groupBy?: number
  /** How many rows there are, where these are only the first ones. */
  total?: number
  axes?: PlotAxes
}

export function tableOf(
  { columns, rows, groupBy = -1, total = rows.length, axes }: TableParts,
  { t, locale }: ResultContext,
): ResultTable {
  const format = numberFormat(locale, {})
  const without = <Item>(items: readonly Item[]): Item[] => items.filter((_item, i) => i !== groupBy)
  let shown = 0
  const groups = groupRows(rows, groupBy).map((group) => ({
    label: labelOf(group[0]?.[groupBy], columns[groupBy]),
    count: format.format(group.length),
    rows: group.map((cells) => ({ cells: without(cells), isHidden: shown++ >= SHOWN_ROWS })),
  }))
  return {
    kind: 'table',
    columns: columnsOf(without(columns), rows.map(without)),
    groups,
    count: format.format(Math.max(total, rows.length)),
    note: total > rows.length ? t('result.first_rows', { shown: rows.length, total }) : null,
    showAll: rows.length > SHOWN_ROWS ? t('result.show_all', { count: rows.length }) : null,
    plot: axes ? plotOf(rows, axes, t) : null,
    isAligned: false,
    isLedger: isLedger(columns, rows),
  }
}

/** A name needs no label, nor does the only other text of a row. */
function columnsOf(columns: readonly ResultColumn[], rows: readonly ResultNode[][]): TableColumn[] {
  const isWide = (index: number): boolean => rows.some((cells) => !SHORT.includes(cells[index]!.kind))
  const texts = columns.filter(({ isNumeric }, i) => !isNumeric && !isWide(i))
  return columns.map((column, i) => ({
    ...column,
    heading: headingOf(column),
    isWide: isWide(i),
    isPlain: !column.isNumeric && (i === 0 || (texts.length <= 2 && texts.includes(column))),
  }))
}

/** Entries of an account: a date, a text and two numbers, none of them missing. */
const isLedger = (columns: readonly ResultColumn[], rows: readonly ResultNode[][]): boolean =>
  columns.map(({ isNumeric }) => isNumeric).join() === 'false,false,true,true' &&
  rows.every(([date, text, ...numbers]) => date?.kind === 'date' && hasText(text) && numbers.every(hasText))

const hasText = (node: ResultNode | undefined): boolean =>
  (node?.kind === 'text' || node?.kind === 'number') && node.text !== ''

const SHORT = ['text', 'number', 'date']

/** In the order of the first row of each group. */
function groupRows(rows: ResultNode[][], groupBy: number): ResultNode[][][] {
  const groups = new Map<string, ResultNode[][]>()
  for (const row of rows) {
    const key = JSON.stringify(row[groupBy] ?? null)
    const group = groups.get(key)
    if (group) group.push(row)
    else groups.set(key, [row])
  }
  return [...groups.values()]
}

const labelOf = (value: ResultNode | undefined, column: ResultColumn | undefined): LabelledNode | null =>
  value && column && !isEmptyText(value) ? { label: column.label, value } : null

const isEmptyText = (node: ResultNode): boolean => node.kind === 'text' && node.text === ''
