/** A column of a table that the definition of its service describes. */
import { NUMERIC, type ResultField } from '../../core/catalog/result-definition.ts'
import { currencyOf, type JsonObject, ownValue } from '../../core/catalog/result-values.ts'
import { textIn } from '../../core/catalog/text.ts'
import type { Locale } from '../../core/i18n/index.ts'
import { currencyLabel } from './result-formats.ts'
import type { ResultColumn } from './result-node.ts'

/** Where the rows are: the objects that may have their currency, the nearest first. */
interface Rows {
  siblings: readonly JsonObject[]
  locale: Locale
}

export function columnOf(column: ResultField, rows: readonly JsonObject[], place: Rows): ResultColumn {
  const unit = unitOf(column, rows, place)
  return {
    label: textIn(column.label, place.locale),
    isNumeric: NUMERIC.includes(column.type) || column.type === 'duration',
    unit,
    isSigned: rows.some((row) => Number(ownValue(row, column.name)) < 0),
    currency: column.type === 'money' && unit ? currencyLabel(unit, column, place.locale) : undefined,
  }
}

/** What the numbers of a column are in; null where it is not the same in all rows. */
function unitOf(column: ResultField, rows: readonly JsonObject[], place: Rows): ResultColumn['unit'] {
  if (column.type === 'percent') return '%'
  if (column.type === 'duration') return 's'
  if (column.type !== 'money') return column.unit && textIn(column.unit, place.locale)
  const currencies = new Set(rows.map((row) => currencyOf(column, [row, ...place.siblings])))
  const [currency] = currencies
  return currencies.size === 1 ? (currency ?? undefined) : null
}
